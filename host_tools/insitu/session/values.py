"""WebAssembly's values between the command line, the 8-byte slots of the args area, and a person.

A type is a letter of TYPE_STRING in port/xip/layout.py: i i32, I i64, f f32, F f64, p funcref, x externref.
"""

from __future__ import annotations

import struct
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from insitu.errors import InsituError

Value = int | float | None  # None: a null reference
NUMBERS = "iIfF"  # what a word of the command line may be
_NAMES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "p": "funcref", "x": "externref"}
_STORE = {"i": "<I4x", "I": "<Q", "f": "<f4x", "F": "<d"}
_LOAD = {"i": "<i", "I": "<q", "f": "<f", "F": "<d", "p": "<4xI", "x": "<I"}  # of a funcref: its instance
_BITS = {"i": 32, "I": 64}
_DIGITS = {"f": 9, "F": 17}  # as many always tell two values apart


def parse(letter: str, text: str) -> int | float:
    """A word of the command line as a value of the type. Raises InsituError saying what is wrong with it."""
    try:
        if letter in "fF":
            return float(text)
        if letter in _BITS:
            return _in_range(int(text, 0), letter)
    except ValueError:
        raise InsituError(f"{text!r} is not {'a number' if letter in 'fF' else 'an integer'}") from None
    raise InsituError(f"{text!r}: a {_NAMES[letter]} cannot be given on the command line")


def _in_range(value: int, letter: str) -> int:
    if not -(1 << _BITS[letter] - 1) <= value < 1 << _BITS[letter]:
        raise InsituError(f"{value} does not fit in {_NAMES[letter]}")
    return value


def pack(letters: str, values: list[int | float]) -> bytes:
    """Values as the args area holds them."""
    return b"".join(_slot(letter, value) for letter, value in zip(letters, values, strict=True))


def _slot(letter: str, value: int | float) -> bytes:
    if letter in _BITS:
        return struct.pack(_STORE[letter], int(value) & (1 << _BITS[letter]) - 1)
    try:
        return struct.pack(_STORE[letter], value)
    except OverflowError:  # beyond the largest f32: rounds to infinity
        return struct.pack(_STORE[letter], float("inf") if value > 0 else float("-inf"))


def unpack(letters: str, data: bytes) -> list[Value]:
    """The values of an args area."""
    values = [struct.unpack_from(_LOAD[letter], data, 8 * i)[0] for i, letter in enumerate(letters)]
    return [value or None if letter in "px" else value for letter, value in zip(letters, values, strict=True)]


def text(letter: str, value: Value) -> str:
    """A value as wasmtime's command line prints it: integers signed, floats with the fewest digits, no exponent."""
    if letter in "px":
        return "null" if value is None else _NAMES[letter]
    if not isinstance(value, float):
        return str(value)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return f"{_shortest(letter, value):f}"


def plain(letter: str, value: Value) -> int | float | str | None:
    """A value for JSON, which has no NaN and no infinity."""
    shown = text(letter, value)
    if letter in "px":
        return value
    return value if letter in _BITS else shown if shown in ("NaN", "inf", "-inf") else float(shown)


def _shortest(letter: str, value: float) -> Decimal:
    """The decimal number of fewest digits that is read back as value; of several the one closest to it."""
    exact = Decimal(value)
    for digits in range(1, _DIGITS[letter] + 1):
        both = {Context(prec=digits, rounding=way).plus(exact) for way in (ROUND_FLOOR, ROUND_CEILING)}
        same = [near for near in both if _slot(letter, float(near)) == _slot(letter, value)]
        if same:
            return min(same, key=lambda near: abs(near - exact)).normalize()
    return exact
