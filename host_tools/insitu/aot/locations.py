"""Where in the module each piece of machine code comes from, as LLVM's debug locations.

Each function of the module is a file to LLVM, and an instruction's distance from the beginning of its function's body
a line, so that a change in one function leaves the others' IR as it was. Nothing of it goes into an image: the linker
keeps it apart from the code, for explain/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Numbers of metadata: behind those of ir.py's, then two a function.
_FIRST = 900
_FUNCTIONS = 1000
# DWARF 4, whose line tables name files once. Line tables and what was inlined where, no more.
_HEAD = f"""
!llvm.module.flags = !{{!{_FIRST}, !{_FIRST + 1}}}
!llvm.dbg.cu = !{{!{_FIRST + 2}}}
!{_FIRST} = !{{i32 2, !"Dwarf Version", i32 4}}
!{_FIRST + 1} = !{{i32 2, !"Debug Info Version", i32 3}}
!{_FIRST + 2} = distinct !DICompileUnit(language: DW_LANG_C99, file: !{_FIRST + 3}, emissionKind: LineTablesOnly)
!{_FIRST + 3} = !DIFile(filename: "module", directory: "")
!{_FIRST + 4} = !DISubroutineType(types: !{{}})
"""


def of_function(index: int) -> str:
    """What stands in a definition's first line, behind all else."""
    return f"!dbg !{_FUNCTIONS + 2 * index}"


def at(distance: int, index: int) -> str:
    """What stands behind an instruction of LLVM's. distance: in bytes, from the beginning of the function's body."""
    return f", !dbg !DILocation(line: {distance + 1}, scope: !{_FUNCTIONS + 2 * index})"


def metadata(functions: Iterable[int]) -> str:
    """The debug information of a unit that defines these functions of the module."""
    lines = []
    for index in functions:
        number = _FUNCTIONS + 2 * index
        lines.append(
            f'!{number} = distinct !DISubprogram(name: "f{index}", file: !{number + 1}, type: !{_FIRST + 4}, '
            f"unit: !{_FIRST + 2}, spFlags: DISPFlagDefinition)"
        )
        lines.append(f'!{number + 1} = !DIFile(filename: "{index}", directory: "")')
    return _HEAD + "\n".join(lines) + "\n"


def index(file: str) -> int:
    """Which function's a file of the line table is."""
    return int(file)


def distance(line: int) -> int:
    """The distance that a line means."""
    return line - 1
