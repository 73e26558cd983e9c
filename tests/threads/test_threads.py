"""A program with threads: what it prints in any order of its threads' turns is what wasmtime's real threads print."""

from __future__ import annotations

from random import Random

import pytest
from insitu.board.boards import load_board

from tests.port.conftest import Device
from tests.threads import by_wasmtime, program
from tests.threads.__main__ import BOARD, given

TARGET = load_board(BOARD).target  # of both, so that the program is compiled once
_ONE_BY_ONE = ["1", "1", "1", "60", "0"]


@pytest.fixture(scope="module")
def calls() -> list[tuple[list[str], int, tuple[int, bytes]]]:
    """Arguments, the order's seed, and what wasmtime gives."""
    chosen = [(_ONE_BY_ONE, 0), *((given(Random(seed), 40), seed) for seed in range(1, 5))]
    return [(words, seed, by_wasmtime.run(program.wasm("queue"), words)) for words, seed in chosen]


def test_in_the_simulator(calls: list[tuple[list[str], int, tuple[int, bytes]]]) -> None:
    """`python -m tests.threads` has 100,000 values, and all CPUs."""
    assert calls[0][2] == (0, b"a thread is done\n" * 2 + b"60 values, sum 1770, 0 turns, 2 destroyed\n")
    device = Device(TARGET, 400_000)
    module = device.load_image(program.image("queue", TARGET))
    for words, seed, wanted in calls:
        assert program.simulate(device, module, words, seed) == wanted, (words, seed)


@pytest.mark.qemu
def test_under_micropython(calls: list[tuple[list[str], int, tuple[int, bytes]]]) -> None:
    with program.booted(load_board(BOARD)) as board:
        for words, seed, wanted in calls:
            assert board.run(words, seed) == wanted, (words, seed)


def test_the_library_under_real_threads() -> None:
    """`python -m tests.threads` has the simulated CPUs."""
    assert by_wasmtime.run(program.wasm("library"), []) == program.LIBRARY
