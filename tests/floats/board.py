"""The hard values on real firmware in an emulator: rows.py's module in flash, hashes over the serial line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package import deploy

from tests.floats import rows
from tests.floats.compare import Report
from tests.floats.expressions import Operation

# The three boards.
BOARDS = ("qemu_stm32f405", "qemu_mps2_an385", "qemu_rv32")
_HEAP = 28_000
_SECONDS = 300.0  # that one instruction may take
_TOOLS = """
import insitu
from insitu.errors import Trap
instance = insitu.Runtime(heap=bytearray({heap})).load({address}).instantiate()
def hashes(name, count, rows):
    function = instance.lookup_function(name)
    for row in range(rows): print(function(0, count, row))
def each(name, count):
    function = instance.lookup_function(name)
    for i in range(count):
        try:
            print(function(i, 1, 0))
        except Trap as trap:
            print(repr(str(trap)))
"""


@dataclass(slots=True)
class Firmware:
    """A booted board with the module in its flash."""

    link: Link
    seed: int

    def check(self, operation: Operation) -> Report:
        """All pairs of the values, or all of them, against the judge."""
        return self._each(operation) if operation.traps else self._rows(operation)

    def _told(self, call: str) -> list[int | str]:
        lines = self.link.run(call, timeout=_SECONDS).decode().splitlines()
        return [ast.literal_eval(line) for line in lines]

    def _rows(self, operation: Operation) -> Report:
        wanted = rows.expected(operation, self.seed)
        count = wanted.shape[1]
        got = self._told(f"hashes({operation.name!r}, {count}, {len(wanted)})")
        hashes = [int(value) for value in rows.hashes(wanted)]
        report = Report(wanted.size, 0, [])
        for row, (value, said) in enumerate(zip(hashes, got, strict=True)):
            if value != _unsigned(said):
                report.different += 1  # a row: at least one result
                report.differences = [*(report.differences or []), f"{operation.name}: the row of value {row} differs"]
        return report

    def _each(self, operation: Operation) -> Report:
        wanted = rows.expected(operation, self.seed)[0]
        single = [int(value) for value in rows.hashes(wanted[:, np.newaxis])]
        traps = list(rows.trapping(operation, self.seed))
        got = self._told(f"each({operation.name!r}, {len(traps)})")
        report = Report(len(traps), 0, [])
        for (number, trap), said in zip(traps, got, strict=True):
            right = trap in said if trap and isinstance(said, str) else not trap and single[number] == _unsigned(said)
            if not right:
                report.different += 1
                report.differences = [
                    *(report.differences or []),
                    f"{operation.name}: value {number}: {said}, not {trap}",
                ]
        return report


def _unsigned(said: int | str) -> int | str:
    return said & 0xFFFFFFFFFFFFFFFF if isinstance(said, int) else said


@contextmanager
def boot(name: str, seed: int) -> Iterator[Firmware]:
    """The board called name, booted."""
    board = load_board(name)
    image = compile_wasm(rows.module(seed), board.target)
    method = deploy.METHODS[deploy.best(board)]
    contents = [*method.contents(board), (board.image.address, image)]
    with emulated(board, contents) as machine, machine.link() as link:
        method.install(link, board)
        link.run(_TOOLS.format(heap=_HEAP, address=board.image.address))
        yield Firmware(link, seed)


def on_firmware(name: str, seed: int, share: int = 1, only: str = "") -> Iterator[tuple[str, Report]]:
    """One in `share` of the instructions on the board; the seed says which."""
    with boot(name, seed) as firmware:
        for operation in rows.operations()[seed % share :: share]:
            if only in operation.name:
                yield operation.name, firmware.check(operation)
