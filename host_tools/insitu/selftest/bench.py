"""What a check works with: the board that runs module.c, and the ways to ask it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.session.session import Session

_BATCH = 40  # calls that are asked for at a time: some 2 KB of code

# What module.c imports, and the ticks that interrupts.py counts.
PRELUDE = """
import gc
def _tick(n):
    return n ^ 0x5a5a
def _collect(n):
    junk = [bytearray(16) for _ in range(20)]
    gc.collect()
    return n + len(junk)
"""
IMPORTS = {"env.tick": "_tick", "env.collect": "_collect"}

Facts = dict[str, Any]
Sample = tuple[tuple[int, ...], int]  # arguments, and what they give


class Failed(InsituError):
    """The board does not do what it should; the text says what it did."""


class Skipped(InsituError):
    """The board cannot be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The board, and the session in which it runs module.c."""

    board: Board
    session: Session

    def value(self, expression: str, timeout: float = 60.0) -> Any:
        """What an expression of literals gives on the device."""
        return ast.literal_eval(self.session.run(f"print(repr({expression}))\n", timeout).decode())

    def results(self, name: str, arguments: list[tuple[int, ...]], bits: int) -> list[int]:
        """What an export of module.c gives for each arguments, without a sign."""
        found: list[int] = []
        call = f"getattr(inst.exports, {name!r})"
        for at in range(0, len(arguments), _BATCH):
            found += self.value(f"(lambda f: [f(*a) for a in {arguments[at : at + _BATCH]!r}])({call})")
        return [value % (1 << bits) for value in found]

    def compare(self, name: str, samples: list[Sample], bits: int) -> int:
        """How many samples there were. Raises Failed at the first that differs."""
        found = self.results(name, [arguments for arguments, _ in samples], bits)
        for (arguments, wanted), got in zip(samples, found, strict=True):
            if got != wanted:
                raise Failed(f"{name}({', '.join(map(hex, arguments))}) gave {got:#x}, not {wanted:#x}")
        return len(samples)


Check = Callable[[Bench], Facts]
