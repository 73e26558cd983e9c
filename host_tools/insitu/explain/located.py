"""What each piece of linked code was made of, from the DWARF that LLVM wrote of aot/locations.py's debug locations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.dwarf.ranges import BaseAddressEntry

from insitu.aot import locations

# A function's index and the distance from the beginning of its body; None: of no instruction.
Location = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Inlined:
    """A call that LLVM made part of its function.

    Attributes:
        low, high: addresses of what it became; several such where that lies in pieces.
        caller: where the call was.
        level: how many calls it is in.
    """

    low: int
    high: int
    caller: Location
    level: int


def rows(info: DWARFInfo, base: int) -> list[tuple[int, list[Location]]]:
    """Of each offset from address base: the instruction, and the inlined calls that it came by, innermost first."""
    found: list[tuple[int, list[Location]]] = []
    for unit in info.iter_CUs():
        program = info.line_program_for_CU(unit)
        if program is None:
            continue
        files = [entry.name.decode() for entry in program.header.file_entry]
        inlined = sorted(_inlined(unit, unit.get_top_DIE(), files, 0), key=lambda one: -one.level)
        for entry in program.get_entries():
            state = entry.state
            if state is None or state.address < base:  # of a function that the linker left out
                continue
            if state.end_sequence:
                found.append((state.address - base, []))
                continue
            calls = [one.caller for one in inlined if one.low <= state.address < one.high]
            found.append((state.address - base, [_location(files, state.file, state.line), *calls]))
    return sorted(found, key=lambda row: (row[0], bool(row[1])))


def _location(files: list[str], file: int, line: int) -> Location:
    """Of a row of the line table: files are counted from 1, and line 0 says that nothing is known."""
    return (locations.index(files[file - 1]), locations.distance(line)) if line else None


def _inlined(unit: CompileUnit, die: DIE, files: list[str], level: int) -> Iterator[Inlined]:
    for child in die.iter_children():
        inside = level
        if child.tag == "DW_TAG_inlined_subroutine":
            said: Any = child.attributes
            caller = _location(files, said["DW_AT_call_file"].value, said["DW_AT_call_line"].value)
            inside += 1
            for low, high in _ranges(unit, child):
                yield Inlined(low, high, caller, inside)
        yield from _inlined(unit, child, files, inside)


def _ranges(unit: CompileUnit, die: DIE) -> Iterator[tuple[int, int]]:
    """Addresses of what a DIE became."""
    if "DW_AT_low_pc" in die.attributes:
        low = die.attributes["DW_AT_low_pc"].value
        yield low, low + die.attributes["DW_AT_high_pc"].value  # DWARF 4: a distance
    elif "DW_AT_ranges" in die.attributes:
        top = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
        start = top.value if top else 0
        for entry in unit.dwarfinfo.range_lists().get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, unit):
            if isinstance(entry, BaseAddressEntry):
                start = entry.base_address
            else:
                yield start + entry.begin_offset, start + entry.end_offset
