from __future__ import annotations

import pytest
from insitu.board.boards import load_board
from insitu.machine import emulated
from insitu.machine.flash_file import FlashFile
from insitu.package.deploy import METHODS

from tests.cli.conftest import insitu, wasm

__all__ = ["insitu", "wasm"]


@pytest.fixture(scope="session")
def flash(tmp_path_factory: pytest.TempPathFactory) -> FlashFile:
    """A Pico's flash after its first start: firmware, file system with the package."""
    board, path = load_board("rpi_pico"), tmp_path_factory.mktemp("pico") / "flash.bin"
    with emulated(board, METHODS["files"].contents(board), flash_file=path) as machine, machine.link():
        return machine.flash
