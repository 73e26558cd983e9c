"""Machine code as text, with the instructions of the module and the source that it was made of beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import capstone

from insitu.errors import InsituError
from insitu.explain.code_map import FUNCTION, Code, CodeMap, Spot
from insitu.image.read import Image
from insitu.port.xip import layout


@dataclass(frozen=True, slots=True)
class Line:
    """An instruction of the machine.

    Attributes:
        code: offset in the image; bytes: as they lie there.
        text: in the assembler's words.
        spots: the instruction of the module that it was made of, and the inlined calls that that came by.
    """

    code: int
    bytes: bytes
    text: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A function. Attributes: place: file and line where it is written, or ""."""

    function: Code
    place: str
    lines: list[Line]


def listings(image: Image, code_map: CodeMap, names: Collection[str] = ()) -> list[Listing]:
    """The functions of these names, or all. Raises InsituError for another image's map, and for an unknown name."""
    code_map.check(image)
    known = {code.name for code in code_map.code}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known))
            raise InsituError(
                f'no code of a function "{name}": what LLVM inlined everywhere is gone; there are: {there}'
            )
    machine = _machine(image.arch)
    return [_listing(machine, image, code_map, code) for code in code_map.code if not names or code.name in names]


def _machine(arch: int) -> capstone.Cs:
    if arch == layout.ARCH_RV32:
        return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    return capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8)


def _listing(machine: capstone.Cs, image: Image, code_map: CodeMap, code: Code) -> Listing:
    place = code_map.functions[code.index][1] if code.index >= 0 and code.kind == FUNCTION else ""
    called = {call.code: name for call in code_map.calls if (name := code_map.name_at(call.callee))}
    lines = []
    for start, end in _runs(code_map, code):
        for address, size, mnemonic, operands in machine.disasm_lite(image.data[start:end], start):
            text = f"{mnemonic} {operands}".rstrip() + (f" <{called[address]}>" if address in called else "")
            spots = tuple(code_map.spots_at(address))
            lines.append(Line(address, image.data[address : address + size], text, spots))
    return Listing(code, place, lines)


def _runs(code_map: CodeMap, code: Code) -> Iterator[tuple[int, int]]:
    """What of a function is instructions, between constants and jump tables."""
    at, end = code.start, code.start + code.size
    for start, size in code_map.data:
        if at <= start < end:
            yield at, start
            at = start + size
    yield at, end


def text(listing: Listing) -> Iterator[str]:
    """For a person: a line for each instruction, and one before it where another of the module begins."""
    function = listing.function
    yield f"{function.name}{listing.place and f', {listing.place}'}: {function.kind}, frame {function.frame}"
    before: tuple[Spot, ...] = ()
    for line in listing.lines:
        if line.spots and line.spots != before:
            yield f"  ; {' < '.join(_spot(spot) for spot in line.spots)}"
        before = line.spots or before
        yield f"  {line.code:6x}  {line.bytes.hex():8}  {line.text}"


def _spot(spot: Spot) -> str:
    return f"{spot.place and f'{spot.place}, '}wasm {spot.offset:#x}: {spot.text}"
