"""Small damage to bytes, the same for the same seed."""

from __future__ import annotations

import random

_NUMBERS = (
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\x03",
    b"\x80\x80\x80\x80\x08",
    b"\x0b",
)


def _flip(data: bytearray, at: int, chance: random.Random) -> None:
    data[at] ^= 1 << chance.randrange(8)


def _set(data: bytearray, at: int, chance: random.Random) -> None:
    data[at] = chance.choice((0, 1, 0x0B, 0x40, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def _insert(data: bytearray, at: int, chance: random.Random) -> None:
    data[at:at] = chance.choice(_NUMBERS)


def _delete(data: bytearray, at: int, chance: random.Random) -> None:
    del data[at : at + chance.randint(1, 4)]


def _number(data: bytearray, at: int, chance: random.Random) -> None:
    data[at : at + 1] = chance.choice(_NUMBERS)


def _repeat(data: bytearray, at: int, chance: random.Random) -> None:
    length = chance.randint(1, 40)
    data[at:at] = data[at : at + length]


def _truncate(data: bytearray, at: int, chance: random.Random) -> None:
    del data[at:]


_KINDS = (_flip, _set, _set, _insert, _delete, _number, _repeat, _truncate)


def mutated(data: bytes, seed: int) -> bytes:
    """data with one to three places damaged."""
    chance, changed = random.Random(seed), bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        if changed:
            chance.choice(_KINDS)(changed, chance.randrange(len(changed)), chance)
    return bytes(changed)
