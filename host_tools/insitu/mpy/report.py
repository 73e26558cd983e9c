"""What a module takes of flash and of MicroPython's heap, before it is linked and after."""

from __future__ import annotations

from dataclasses import dataclass

from insitu.mpy.in_c import BLOCK
from insitu.mpy.read import BYTECODE, Module

_QSTR, _OBJECT = 2, 4  # bytes of a name's number and of a constant's address in a module's tables


@dataclass(frozen=True, slots=True)
class Row:
    """A module.

    Attributes:
        path: where it lies; note: why it stays as it was, "" where it is linked.
        flash_before, flash_after: bytes of its file, and of its code where that lies apart.
        code_before, code_after: bytes of heap that its code takes once it is imported.
        data: bytes of heap for the variables of a module written in C, before and after.
        names: bytes of heap that its tables of names and constants take, before and after. What the module makes when
            it runs (functions, classes, its dict) is not counted.
    """

    path: str
    flash_before: int
    flash_after: int
    code_before: int
    code_after: int
    data: int
    names: int
    note: str = ""


def row(path: str, module: Module, before: int, after: int, *, from_rom: bool, note: str = "") -> Row:
    """A module's row. from_rom: it is imported from a ROM file system, whose bytecode MicroPython leaves there."""
    copied = [code for code in module.body.walk() if code.kind != BYTECODE or not from_rom]
    code = sum(_blocks(len(code.data)) for code in copied)
    names = _blocks(_QSTR * len(module.qstrs)) + _blocks(_OBJECT * len(module.objects))
    data = sum(_blocks(code.bss) for code in copied)
    return Row(path, before, after, code, code if note else 0, data, names, note)


def _blocks(size: int) -> int:
    return size + -size % BLOCK
