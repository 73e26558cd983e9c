"""A booted board for each module of tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from insitu.board import boards

from tests import newest
from tests.boards.device import Device, boot, slow

# qemu_mps2_an386 is qemu_stm32f405's core in qemu_mps2_an500's FPGA.
_BOARDS = [name for name in boards.emulated() if name != "qemu_mps2_an386"]
_PARAMS = [*(pytest.param(name, marks=slow(name)) for name in _BOARDS), *newest.NEWEST]


@pytest.fixture(scope="module", params=_PARAMS)
def booted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """Each board in turn; one at a time, for a MicroPython that waits for input keeps a core of the host busy."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # of this run, shared by its workers
    with boot(newest.load(request.param), folder) as device:
        yield device


@pytest.fixture
def device(booted: Device) -> Device:
    """The board, its runtime empty."""
    booted.clear()
    return booted
