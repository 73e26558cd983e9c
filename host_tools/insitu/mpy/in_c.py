"""Modules written in C (tools/mpy_ld.py): relocated for good, for one firmware and a place in its RAM.

py/persistentcode.c, mp_native_relocate, is the reference.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from insitu.errors import InsituError
from insitu.mpy.read import Module, RawCode, uint_at
from insitu.port.xip.inplace.blob import C_SIZE, FUN_TABLE, LEAST

BLOCK = 16  # bytes that MicroPython's heap gives away at a time, on 32-bit ports
_QSTR, _OBJECT = 2, 4  # bytes of an entry of a module's tables
# Destinations of relocations; from _ENTRIES on an entry of mp_fun_table.
_TEXT, _RODATA, _BSS, _QSTRS, _OBJECTS, _TABLE, _ENTRIES = 0, 1, 2, 6, 7, 8, 9
_END = 0xFF


@dataclass(frozen=True, slots=True)
class Firmware:
    """What of a firmware such code is linked to.

    Attributes: table: address of mp_fun_table; entries: its words; heap_end: where MicroPython's heap ends.
    """

    table: int
    entries: tuple[int, ...]
    heap_end: int


@dataclass(frozen=True, slots=True)
class Linkage:
    """What one module is linked to.

    Attributes: start, size: RAM of all modules that are linked together; ram: where this one's part begins; data,
    qstrs, objects: bytes of that, see C_DATA in blob.py.
    """

    firmware: Firmware
    start: int
    size: int
    ram: int
    data: int
    qstrs: int
    objects: int


def linkages(modules: Mapping[str, Module], firmware: Firmware, names: int) -> dict[str, Linkage]:
    """By path, those of the modules that are written in C, with RAM at the heap's end, which fills last.

    names: how many qstrs a module gets when it is linked. Raises InsituError for code that cannot be linked.
    """
    sizes = {path: _sizes(module, names) for path, module in modules.items() if module.is_relocated}
    size = max(LEAST, sum(map(_part, sizes.values())))
    size += -size % BLOCK
    start = at = firmware.heap_end - size
    found: dict[str, Linkage] = {}
    for path, parts in sizes.items():
        found[path] = Linkage(firmware, start, size, at, *parts)
        at += _part(parts)
    return found


def _part(sizes: tuple[int, int, int]) -> int:
    """Bytes; never 0, so that no two parts begin at one address."""
    return max(4, sum(sizes))


def _sizes(module: Module, names: int) -> tuple[int, int, int]:
    codes = module.body.walk()
    used = {destination for code in codes for _, destination in _relocations(code)}
    qstrs = _words(_QSTR * (len(module.qstrs) + names)) if _QSTRS in used else 0
    objects = _OBJECT * len(module.objects) if _OBJECTS in used else 0
    return sum(_words(code.bss) for code in codes), qstrs, objects


def relocate(codes: Mapping[RawCode, int], blob: bytearray, address: int, linkage: Linkage) -> bytes:
    """Relocate codes, which lie in blob at these offsets; blob is to lie at address.

    Returns the words C_ of blob.py, with what was there before.
    """
    original, bss, places = bytes(blob), linkage.ram, list[int]()
    for code, at in codes.items():
        for word, destination in _relocations(code):
            place = at + 4 * word
            (value,) = struct.unpack_from("<I", blob, place)
            value += _value(destination, address + at, bss, linkage)
            struct.pack_into("<I", blob, place, value & 0xFFFFFFFF)
            places.append(place)
        bss += _words(code.bss)
    first, end = min(places), max(places) + 4
    firmware = linkage.firmware
    crc = zlib.crc32(struct.pack(f"<{FUN_TABLE}I", *firmware.entries))
    ram = (linkage.start, linkage.size, linkage.ram, linkage.data, linkage.qstrs, linkage.objects)
    words = struct.pack("<10I", first, end - first, firmware.table, crc, *ram)
    assert len(words) == C_SIZE
    return words + original[first:end]


def _value(destination: int, text: int, bss: int, linkage: Linkage) -> int:
    if destination >= _ENTRIES:
        return linkage.firmware.entries[destination - _ENTRIES]
    qstrs = linkage.ram + linkage.data
    objects = qstrs + linkage.qstrs
    return {_TEXT: text, _BSS: bss, _QSTRS: qstrs, _OBJECTS: objects, _TABLE: linkage.firmware.table}[destination]


def _relocations(code: RawCode) -> list[tuple[int, int]]:
    """(word of the code, destination) of each. Raises InsituError."""
    out: list[tuple[int, int]] = []
    data, at, word = code.relocations, 0, 0
    while data and data[at] != _END:
        operation, count = data[at] >> 1, 1
        has_place, at = data[at] & 1, at + 1
        if has_place:
            place, at = uint_at(data, at)
            word = place >> 1
            if place & 1:
                raise InsituError("its constants lie apart from its code, as they do for Xtensa alone")
        if operation < _QSTRS:
            if operation & 1:
                count, at = uint_at(data, at)
            operation >>= 1
        if operation >= _ENTRIES + FUN_TABLE or operation == _RODATA:
            raise InsituError(f"it is linked to {operation}, which is nothing of a firmware for .mpy version 6.3")
        out += [(word + i, operation) for i in range(count)]
        word += count
    return out


def _words(size: int) -> int:
    return size + -size % 4
