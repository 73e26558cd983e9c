"""The code of an image that was compiled here, by function; all bytes that are in none by the section they are in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from insitu.aot import link
from insitu.aot.contract import functions as f
from insitu.image.parts import CONSTANTS, ENTRY, FUNCTIONS, LIBRARY, REST, Part, covered
from insitu.image.read import read
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from insitu.aot import Compiled
    from insitu.aot.contract.functions import Function

_KINDS = {
    f.PROGRAM: FUNCTIONS,
    f.THUNK: ENTRY,
    f.LIBRARY: LIBRARY,
    f.BYTES: LIBRARY,
    f.HOST_CALL: ENTRY,
    f.TRAP: ENTRY,
    f.STUB: ENTRY,
    f.POLL: ENTRY,
    f.SAVE: LIBRARY,
    f.RESTORE: LIBRARY,
}
_TEXT = ".text"
_BETWEEN = {FUNCTIONS: "signature words, alignment", ENTRY: "stub", LIBRARY: "library, between functions"}


def wasm_index(function: Function) -> int:
    """The index of the WebAssembly function that it was made of; -1 for any other."""
    return int(function.name.partition(".")[0][1:]) if function.kind == f.PROGRAM else -1


def code_parts(made: Compiled) -> list[Part]:
    """Parts from the image's first byte of code to its last."""
    base = read(made.image).word(layout.IMAGE_CODE_OFFSET)
    functions = [
        Part(start, function.size, _KINDS[function.kind], function.label, wasm_index(function))
        for start, function in made.stack.graph.functions.items()
    ]
    whole = covered([*functions, *_rest(made, functions)], 0, len(made.code.data), _alignment)
    return [replace(part, offset=base + part.offset) for part in whole]


def _alignment(offset: int, size: int) -> Part:
    return Part(offset, size, REST, "alignment")


def _rest(made: Compiled, functions: list[Part]) -> Iterator[Part]:
    """Of each section what is in none of its functions."""
    starts = sorted((part.offset, part.end) for part in functions)
    for piece in made.code.pieces:
        at, end = piece.offset, piece.offset + piece.size
        inside = [(a, b) for a, b in starts if a < end and b > at]
        for start, stop in [*inside, (end, end)]:
            if start > at:
                yield _piece(piece, at, start - at)
            at = max(at, stop)


def _piece(piece: link.Piece, offset: int, size: int) -> Part:
    if not piece.section.startswith(_TEXT):
        whose = "the program's" if link.is_program(piece.file) or piece.file == link.MERGED else "the library's"
        return Part(offset, size, CONSTANTS, f"{whose} constants, {piece.section}")
    kind = FUNCTIONS if link.is_program(piece.file) else ENTRY if piece.file == link.STUB else LIBRARY
    return Part(offset, size, kind, _BETWEEN[kind])
