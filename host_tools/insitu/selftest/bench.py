"""What a check works with: the board that runs module.c, and the ways to ask it."""

from __future__ import annotations

import ast
import base64
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.session.session import Session

_BATCH = 40  # calls that are asked for at a time
_FIRST, _END = 32, 256  # places of values on the board: a byte each, one character of code from 32 on

# What module.c imports, and _many, which calls its exports. Of the first: MicroPython runs what interrupts have
# scheduled where a loop goes back to its start. Of the second: arguments and results are bits in the args area, for
# a call with integers of Python's that do not fit into a word takes a small board many times as long.
PRELUDE = f"""
import gc, binascii
def _tick(n):
    return n ^ 0x5a5a
def _turn(n):
    for _ in (0,): n ^= 0x5a5a
    return n
def _collect(n):
    junk = [bytearray(16) for _ in range(20)]
    gc.collect()
    return n + len(junk)
_slots = bytearray()
def _many(places, *runs):
    found, at = bytearray(), 0
    for name, count, times in runs:
        function, words = inst.lookup_function(name), bytearray(8 * count)
        for _ in range(times):
            for slot in range(0, 8 * count, 8):
                value = 8 * (places[at] - {_FIRST})
                words[slot:slot + 8] = _slots[value:value + 8]
                at += 1
            _insitu_enter(function, words)
            found += inst.slots[:8]
    return binascii.b2a_base64(found)
"""
IMPORTS = {"env.tick": "_tick", "env.turn": "_turn", "env.collect": "_collect"}

Facts = dict[str, Any]


class Sample(NamedTuple):
    """An export of module.c, its arguments, and its result, which is wanted modulo 2^bits."""

    name: str
    arguments: tuple[int, ...]
    wanted: int
    bits: int

    def same(self, got: int) -> bool:
        return not (got - self.wanted) % (1 << self.bits)


class Failed(InsituError):
    """The board does not do what it should; the text says what it did."""


class Skipped(InsituError):
    """The board cannot be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The board, and the session in which it runs module.c.

    Attributes:
        values: what the board's _slots holds, and where: hard values are sent once.
    """

    board: Board
    session: Session
    values: dict[int, int] = field(default_factory=dict)

    def value(self, expression: str, timeout: float = 60.0) -> Any:
        """What an expression of literals gives on the device."""
        return ast.literal_eval(self.session.run(f"print(repr({expression}))\n", timeout).decode())

    def results(self, samples: Sequence[Sample]) -> list[int]:
        """What each gives, without a sign; many are asked for at a time, for on a slow line it is the questions."""
        self.session.prepare_invoke()
        found: list[int] = []
        for at in range(0, len(samples), _BATCH):
            batch = samples[at : at + _BATCH]
            places = self._places([value for sample in batch for value in sample.arguments])
            runs = [
                (name, count, len([*alike]))
                for (name, count), alike in groupby(batch, lambda sample: (sample.name, len(sample.arguments)))
            ]
            data = base64.b64decode(self.value(f"_many({places!r}, {', '.join(map(repr, runs))})"))
            found += struct.unpack(f"<{len(batch)}Q", data)
        return [got % (1 << sample.bits) for got, sample in zip(found, samples, strict=True)]

    def _places(self, wanted: list[int]) -> bytes:
        """Where in _slots they are; those that are not there yet are sent."""
        new = [value for value in dict.fromkeys(wanted) if value not in self.values]
        if _FIRST + len(self.values) + len(new) > _END:
            self.forget()
            new = [*dict.fromkeys(wanted)]
        if new:
            data = b"".join(struct.pack("<Q", value % (1 << 64)) for value in new)
            self.session.run(f"_slots += binascii.a2b_base64({base64.b64encode(data)!r})\n")
            self.values.update({value: _FIRST + len(self.values) + number for number, value in enumerate(new)})
        return bytes(self.values[value] for value in wanted)

    def forget(self) -> None:
        """The board lets go of the values that it was sent, and of what a check left: a small heap has room for one."""
        self.session.run("_slots = bytearray()\ngc.collect()\n")
        self.values.clear()

    def compare(self, samples: Sequence[Sample]) -> int:
        """How many samples there were. Raises Failed at the first that differs."""
        for sample, got in zip(samples, self.results(samples), strict=True):
            if not sample.same(got):
                given = ", ".join(map(hex, sample.arguments))
                raise Failed(f"{sample.name}({given}) gave {got:#x}, not {sample.wanted:#x}")
        return len(samples)


Check = Callable[[Bench], Facts]
