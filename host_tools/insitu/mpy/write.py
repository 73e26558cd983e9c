"""The parts of a .mpy file into one; the reverse of read.py."""

from __future__ import annotations

from insitu.mpy.read import ASM, BSS, BYTECODE, NATIVE, RODATA, VIPER, Module, RawCode


def write(module: Module) -> bytes:
    """The .mpy file that reads as module."""
    return prefix(module) + raw_code(module.body)


def prefix(module: Module, *names: str) -> bytes:
    """All that comes before the code; names: further qstrs, behind the module's."""
    counts = uint(len(module.qstrs) + len(names)) + uint(len(module.objects))
    return module.header + counts + b"".join([*module.qstrs, *map(qstr, names), *module.objects])


def raw_code(code: RawCode) -> bytes:
    """A raw code and its children, each number in as few bytes as it needs."""
    out = bytearray()
    _append(out, code, 1, {})
    return bytes(out)


def aligned(code: RawCode, out: bytearray, alignment: int) -> dict[RawCode, int]:
    """Append a raw code and its children to out, so that the data of each starts at a multiple of alignment in out.

    MicroPython reads it as it reads any other: a number may begin with bytes that say nothing, 0x80. Returns where
    the data of each is.
    """
    places: dict[RawCode, int] = {}
    _append(out, code, alignment, places)
    return places


def _append(out: bytearray, code: RawCode, alignment: int, places: dict[RawCode, int]) -> None:
    head = uint(len(code.data) << 3 | (4 if code.children else 0) | code.kind - BYTECODE)
    out += b"\x80" * (-(len(out) + len(head)) % alignment) + head
    places[code] = len(out)
    out += code.data
    if code.kind == NATIVE:
        out += uint(code.prelude_offset)
    if code.kind in (VIPER, ASM):
        out += uint(code.scope_flags)
    if code.kind == ASM:
        out += uint(code.n_args) + uint(code.signature)
    if code.kind == VIPER:
        out += uint(len(code.rodata)) if code.scope_flags & RODATA else b""
        out += uint(code.bss) if code.scope_flags & BSS else b""
        out += code.rodata
    if code.children:
        out += uint(len(code.children))
    for child in code.children:
        _append(out, child, alignment, places)
    out += code.relocations


def uint(value: int) -> bytes:
    """A number in groups of 7 bits, the highest first."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.insert(0, 0x80 | value & 0x7F)
    return bytes(out)


def qstr(text: str) -> bytes:
    """A qstr with its letters."""
    data = text.encode()
    return uint(len(data) << 1) + data + b"\0"
