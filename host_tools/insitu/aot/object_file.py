"""Object files changed so that each function is defined in one of several."""

from __future__ import annotations

import struct

from insitu.aot.contract.elf import Object

_ENTRY = struct.Struct("<IIIBBH")
_GLOBAL = 0x10  # STB_GLOBAL, STT_NOTYPE


def without(data: bytes, names: set[str]) -> bytes:
    """The object file with functions of these names left to be defined by another; the linker drops their code."""
    of, made = Object(data), bytearray(data)
    table = of.symbol_table
    for i, symbol in enumerate(of.symbols):
        if symbol.name in names and symbol.function:
            at = table.offset + i * _ENTRY.size
            name, _, _, _, visibility, _ = _ENTRY.unpack_from(data, at)
            _ENTRY.pack_into(made, at, name, 0, 0, _GLOBAL, visibility, 0)
    return bytes(made)
