"""What a check works with: the board that runs module.c, and the ways to ask it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.session.session import Session

_BATCH = 40  # calls that are asked for at a time
_MOST_VALUES = 256  # on the board: a byte is the number of one

# What module.c imports, and the ticks that interrupts.py counts.
PRELUDE = """
import gc
def _tick(n):
    return n ^ 0x5a5a
def _collect(n):
    junk = [bytearray(16) for _ in range(20)]
    gc.collect()
    return n + len(junk)
_values = []
def _many(name, numbers, count):
    f = getattr(inst.exports, name)
    return [f(*[_values[i] for i in numbers[k:k + count]]) for k in range(0, len(numbers), count)]
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
    """The board, and the session in which it runs module.c.

    Attributes:
        values: what the board's list _values holds, and where: hard values are sent once.
    """

    board: Board
    session: Session
    values: dict[int, int] = field(default_factory=dict)

    def value(self, expression: str, timeout: float = 60.0) -> Any:
        """What an expression of literals gives on the device."""
        return ast.literal_eval(self.session.run(f"print(repr({expression}))\n", timeout).decode())

    def results(self, name: str, arguments: list[tuple[int, ...]], bits: int) -> list[int]:
        """What an export of module.c gives for each arguments, without a sign."""
        found: list[int] = []
        for at in range(0, len(arguments), _BATCH):
            batch = arguments[at : at + _BATCH]
            numbers = self._numbers([value for given in batch for value in given])
            found += self.value(f"_many({name!r}, {numbers!r}, {len(batch[0])})")
        return [value % (1 << bits) for value in found]

    def _numbers(self, wanted: list[int]) -> bytes:
        """Where in _values they are; those that are not there yet are sent."""
        new = [value for value in dict.fromkeys(wanted) if value not in self.values]
        if len(self.values) + len(new) > _MOST_VALUES:
            self.forget()
            new = [*dict.fromkeys(wanted)]
        if new:
            self.session.run(f"_values.extend({new!r})\n")
            self.values.update({value: len(self.values) + number for number, value in enumerate(new)})
        return bytes(self.values[value] for value in wanted)

    def forget(self) -> None:
        """The board lets go of the values that it was sent, and of what a check left: a small heap has room for one."""
        self.session.run("_values = []\ngc.collect()\n")
        self.values.clear()

    def compare(self, name: str, samples: list[Sample], bits: int) -> int:
        """How many samples there were. Raises Failed at the first that differs."""
        found = self.results(name, [arguments for arguments, _ in samples], bits)
        for (arguments, wanted), got in zip(samples, found, strict=True):
            if got != wanted:
                raise Failed(f"{name}({', '.join(map(hex, arguments))}) gave {got:#x}, not {wanted:#x}")
        return len(samples)


Check = Callable[[Bench], Facts]
