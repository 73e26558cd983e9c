"""A serial line that damages frames: what arrives of them, and what must never."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from insitu.telemetry.frames import Scanner

from tests.telemetry.test_frames import stuffed

_TEXTS = (
    "sample 12\r\n",
    "температура 21.5\r\n",
    '{"rms": 0.205}*c9637f30\r\n',
    "",
    "Traceback (most recent call last):\r\n",
)
_MARKS = (0xC1, 0xF5, 0xC0, 0xFE)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _lose(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randint(1, 40)]


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def _burst(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at : at + chance.randint(1, 30)] = chance.randbytes(chance.randint(1, 30))


def _marks(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] = chance.choice(_MARKS)


def _print(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(1, len(data))
    data[at:at] = chance.choice(_TEXTS).encode() or b"."


def _other_order(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(1, len(data))
    data[:] = data[at:] + data[:at]


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _lose, _cut, _burst, _marks, _print, _other_order,
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """Attributes: lost: intact frames that did not arrive; wrong: bodies that nobody sent."""

    sent: int = 0
    damaged: int = 0
    accepted: int = 0
    lost: int = 0
    wrong: list[bytes] = field(default_factory=list)


def run(frames: int, seed: int) -> Outcome:
    """Send frames of which half are damaged, among prints, in pieces of any size.

    A body's first bytes are its number, so that each is known from the others: what of a damaged frame is accepted must
    be what was sent (a bit of an escape that need not be may flip).
    """
    chance, scanner, outcome = random.Random(seed), Scanner(), Outcome(frames)
    bodies: dict[bytes, bool] = {}  # and whether it is intact
    arrived: list[bytes] = []
    waiting = bytearray()
    for number in range(frames):
        body = number.to_bytes(4, "little") + chance.randbytes(chance.randint(4, 200))
        data = bytearray(stuffed(body))
        damaged = chance.random() < 0.5
        if damaged:
            for _ in range(chance.randint(1, 2)):
                if len(data) > 1:
                    chance.choice(DAMAGES)(data, chance)
        bodies[body] = bytes(data) == stuffed(body)
        outcome.damaged += not bodies[body]
        waiting += chance.choice(_TEXTS).encode() + data
        while len(waiting) > 600:
            size = chance.randint(1, 500)
            arrived += scanner.feed(bytes(waiting[:size]))[0]
            del waiting[:size]
    arrived += scanner.feed(bytes(waiting))[0]
    outcome.accepted = len(arrived)
    outcome.wrong = [body for body in arrived if body not in bodies]
    outcome.lost = len({body for body, intact in bodies.items() if intact} - set(arrived))
    return outcome
