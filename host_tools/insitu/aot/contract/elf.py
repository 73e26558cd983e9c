"""Object files as the contract reads them: sections, symbols and relocations of 32-bit little-endian ELF.

struct and not pyelftools: compiler-rt's object has 3,500 sections and 3,600 symbols, which take that 250 ms.
Names are those of the System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_SYMTAB, _RELA, _NOBITS, _REL = 2, 4, 8, 9
FUNC, SECTION = 2, 3  # STT_FUNC, STT_SECTION
_MERGE = 0x10  # SHF_MERGE
UNDEFINED, ABSOLUTE = 0, 0xFFF1
_LOCAL, _WEAK = 0, 2  # STB_LOCAL, STB_WEAK


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    type: int
    offset: int
    size: int
    link: int
    info: int
    entry: int  # bytes of an entry that the linker may merge with an equal one; 0: it may not


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str
    value: int
    size: int
    info: int
    section: int  # index; UNDEFINED, ABSOLUTE

    @property
    def function(self) -> bool:
        return self.info & 15 == FUNC

    @property
    def local(self) -> bool:
        return self.info >> 4 == _LOCAL

    @property
    def weak(self) -> bool:
        return self.info >> 4 == _WEAK


@dataclass(frozen=True, slots=True)
class Relocation:
    """A place in a section that the linker fills in. addend None: it lies in the place itself (REL)."""

    offset: int
    type: int
    symbol: int
    addend: int | None


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


def _section(name: str, r: tuple[int, ...]) -> Section:
    return Section(name, r[1], r[4], r[5], r[6], r[7], r[9] if r[2] & _MERGE else 0)


class Object:
    """One ELF file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        fields = _HEADER.unpack_from(data)
        start, size, count, names = fields[6], fields[11], fields[12], fields[13]
        rows = [_SECTION.unpack_from(data, start + size * i) for i in range(count)]
        strings = data[rows[names][4] : rows[names][4] + rows[names][5]]
        self.sections = [_section(_text(strings, r[0]), r) for r in rows]

    def bytes_of(self, section: Section) -> bytes:
        return (
            bytes(section.size)
            if section.type == _NOBITS
            else self.data[section.offset : section.offset + section.size]
        )

    @cached_property
    def by_name(self) -> dict[str, int]:
        """Section name to index."""
        return {section.name: i for i, section in enumerate(self.sections)}

    @cached_property
    def symbol_table(self) -> Section:
        return next(section for section in self.sections if section.type == _SYMTAB)

    @cached_property
    def symbols(self) -> list[Symbol]:
        strings = self.bytes_of(self.sections[self.symbol_table.link])
        rows = _SYMBOL.iter_unpack(self.bytes_of(self.symbol_table))
        return [Symbol(_text(strings, r[0]), r[1], r[2], r[3], r[5]) for r in rows]

    @cached_property
    def defined(self) -> dict[int, list[Symbol]]:
        """Index of a section to the symbols in it."""
        found: dict[int, list[Symbol]] = {}
        for symbol in self.symbols:
            if symbol.name and symbol.section not in (UNDEFINED, ABSOLUTE):
                found.setdefault(symbol.section, []).append(symbol)
        return found

    @cached_property
    def _relocated(self) -> dict[int, Section]:
        return {section.info: section for section in self.sections if section.type in (_REL, _RELA)}

    def relocations(self, section: int) -> list[Relocation]:
        """Those of the section with that index."""
        table = self._relocated.get(section)
        if table is None:
            return []
        data = self.bytes_of(table)
        if table.type == _RELA:
            return [
                Relocation(at, info & 0xFF, info >> 8, addend) for at, info, addend in struct.iter_unpack("<IIi", data)
            ]
        return list(
            starmap(lambda at, info: Relocation(at, info & 0xFF, info >> 8, None), struct.iter_unpack("<II", data))
        )


def members(archive: bytes) -> dict[str, bytes]:
    """The files of an archive (ar(5), with GNU's table of long names), by name."""
    found, at, long_names = {}, 8, b""
    while at < len(archive):
        header = archive[at : at + 60]
        name, size = header[:16].decode().rstrip(), int(header[48:58])
        body = archive[at + 60 : at + 60 + size]
        if name == "//":
            long_names = body
        elif name not in ("/", "/SYM64/"):
            if name[0] == "/":
                name = long_names[int(name[1:]) :].split(b"\n", 1)[0].decode()
            found[name.rstrip("/")] = body
        at += 60 + size + (size & 1)
    return found
