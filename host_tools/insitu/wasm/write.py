"""Pieces of WebAssembly's binary format, as reader.py reads them."""

from __future__ import annotations


def unsigned(value: int) -> bytes:
    """A number in LEB128, section 5.2.2 of the standard."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def sized(content: bytes) -> bytes:
    """Bytes behind their number, as a name or a section has them."""
    return unsigned(len(content)) + content
