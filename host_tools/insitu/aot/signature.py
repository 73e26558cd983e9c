"""Function types as the image has them: a string to compare, and a 32-bit word of it that indirect calls check."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insitu.wasm.types import FuncType, ValType

LETTERS = {"i32": "i", "i64": "I", "f32": "f", "f64": "F", "funcref": "p", "externref": "x"}


def letter(valtype: ValType) -> str:
    return LETTERS[valtype.name]


def string(function_type: FuncType) -> str:
    """Parameters and results, such as "iIf:F" for [i32 i64 f32] -> [f64]."""
    return "".join(map(letter, function_type.params)) + ":" + "".join(map(letter, function_type.results))


def word(function_type: FuncType) -> int:
    """FNV-1a (32 bit) of the string; never 0, which marks a null funcref.

    Two types of one module with the same word are refused at build (module.check_signatures), two of
    different modules when the runtime links them, so that the word stands for the type.
    """
    return of(string(function_type).encode())


def of(data: bytes) -> int:
    """FNV-1a (32 bit), 1 where that is 0."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value or 1
