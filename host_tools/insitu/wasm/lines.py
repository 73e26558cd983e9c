"""Source file and line of what is in a module, from the line table that a compiler leaves in DWARF, or a source map."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from elftools.dwarf.die import DIE
from elftools.dwarf.lineprogram import LineProgram

from insitu.wasm import source_map
from insitu.wasm.debug import UNREADABLE, dwarf
from insitu.wasm.module import Module

_DWARF_5 = 5  # from which on files are counted from 0


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a source: file as the compiler was told it, relative to where it ran or absolute."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Lines:
    """The module's line table.

    Attributes:
        starts: file offsets in ascending order; places: what lies from each on, None: nothing that has a line.
        bodies: of each function that is not imported, the file offset of its body.
        imported: functions that come before them.
        declared: by the file offset of its body, where a function is written.
    """

    starts: list[int] = field(default_factory=list)
    places: list[Place | None] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    imported: int = 0
    declared: dict[int, Place] = field(default_factory=dict)

    def at(self, offset: int) -> Place | None:
        """Of the instruction at a file offset; None where the compiler said nothing of it."""
        found = bisect_right(self.starts, offset) - 1
        return self.places[found] if found >= 0 else None

    def of_function(self, index: int) -> Place | None:
        """Where the function of that index is written; None for an import, and where the compiler said nothing."""
        return None if index < self.imported else self.declared.get(self.bodies[index - self.imported])


def source_lines(module: Module) -> Lines:
    """The line table; an empty one without DWARF and source map, and what could be read of one that is damaged."""
    lines = Lines(bodies=[f.offset for f in module.functions], imported=module.imported_function_count)
    info, base = dwarf(module), module.code_offset
    if info is None or base is None:
        _of_source_map(module, lines)
        return lines
    rows: list[tuple[int, Place | None]] = []
    try:
        for unit in info.iter_CUs():
            program = info.line_program_for_CU(unit)
            if program is None:
                continue
            files = _files(program.header)
            for sequence in _sequences(program, files):
                rows += [(base + address, place) for address, place in sequence]
            for address, place in _declared(unit.get_top_DIE(), files):
                lines.declared[base + address] = place
    except UNREADABLE:
        pass
    rows.sort(key=lambda row: (row[0], row[1] is not None))  # where one sequence ends another may begin
    lines.starts, lines.places = [at for at, _ in rows], [place for _, place in rows]
    return lines


def _of_source_map(module: Module, lines: Lines) -> None:
    """Such a map says nothing of functions: one is where its first instruction is that has a line."""
    known: dict[int, Place | None] = dict.fromkeys(lines.bodies)  # what was before a function says nothing of it
    for name, content, _ in module.customs:
        if name == source_map.SECTION:
            known |= {at: place and Place(*place) for at, place in source_map.rows(content)}
    lines.starts = sorted(known)
    lines.places = [known[at] for at in lines.starts]
    for function in module.functions:
        places = [place for _, _, at in function.body if (place := lines.at(at))]
        if places:
            lines.declared[function.offset] = places[0]


def _declared(die: DIE, files: dict[int, str]) -> Iterator[tuple[int, Place]]:
    """Addresses of functions, in name spaces and types among others, and where they are written."""
    for child in die.iter_children():
        if child.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in child.attributes:
            said = child
            while "DW_AT_decl_line" not in said.attributes and _origin(said):
                said = said.get_DIE_from_attribute(_origin(said))
            if "DW_AT_decl_line" in said.attributes and "DW_AT_decl_file" in said.attributes:
                file, line = (said.attributes[f"DW_AT_decl_{what}"].value for what in ("file", "line"))
                yield child.attributes["DW_AT_low_pc"].value, Place(files[file], line)
        elif child.has_children:
            yield from _declared(child, files)


def _origin(die: DIE) -> str:
    """The attribute that leads to where more is said of the same function; "": there is none."""
    return next((name for name in ("DW_AT_abstract_origin", "DW_AT_specification") if name in die.attributes), "")


def _sequences(program: LineProgram, files: dict[int, str]) -> Iterator[list[tuple[int, Place | None]]]:
    """Runs of addresses and their places, the last one None: of functions that the linker kept.

    Those of others begin at 0, where no function can: the code section's content begins with their number.
    """
    sequence: list[tuple[int, Place | None]] = []
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        place = None if state.end_sequence or not state.line else Place(files[state.file], state.line)
        sequence.append((state.address, place))
        if state.end_sequence:
            if sequence[0][0]:
                yield sequence
            sequence = []


def _files(header: Any) -> dict[int, str]:
    """Paths by their number in the line table."""
    first = 0 if header.version >= _DWARF_5 else 1
    folders = [path.decode("utf-8", "replace") for path in header.include_directory]
    if header.version < _DWARF_5:
        folders.insert(0, "")
    found = {}
    for number, entry in enumerate(header.file_entry, first):
        folder = folders[entry.dir_index] if entry.dir_index else ""  # 0: where the compiler ran
        found[number] = str(PurePosixPath(folder, entry.name.decode("utf-8", "replace")))
    return found
