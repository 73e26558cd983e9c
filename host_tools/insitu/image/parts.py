"""An image's bytes by what they are for; of its code, where that was compiled here, by function. Every byte once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from insitu.image.read import PARTS, Image, string, table_records
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Gap = Callable[[int, int], "Part"]  # offset and size of what nothing covers

FUNCTIONS, LIBRARY, ENTRY, CONSTANTS, TABLES, NAMES, DATA, REST = (
    "functions", "library", "entry code", "constants", "tables", "names", "data", "header and alignment",
)  # fmt: skip
KINDS = (FUNCTIONS, LIBRARY, ENTRY, CONSTANTS, TABLES, NAMES, DATA, REST)
_MOST_ALIGNMENT = 8  # bytes; a larger gap is something that this file does not know


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of an image. Attributes: kind: one of KINDS; index: of the WebAssembly function or segment, -1: none."""

    offset: int
    size: int
    kind: str
    name: str
    index: int = -1

    @property
    def end(self) -> int:
        return self.offset + self.size


def parts(image: Image, code: Iterable[Part] | None = None) -> list[Part]:
    """All bytes of an image, in order; their sizes add up to its own.

    code: what its code consists of (report/code.py); None: what the tables tell of it.
    """
    found = [Part(0, layout.HEADER_SIZE, REST, "header"), *_tables(image), *_names(image), *_data(image)]
    found += _code_by_tables(image) if code is None else code
    return covered(found, 0, len(image.data), lambda at, size: Part(at, size, REST, _between(size)))


def covered(found: Iterable[Part], start: int, end: int, gap: Gap) -> list[Part]:
    """Parts from start to end, side by side: of two that overlap the first counts, gap makes what is missing."""
    made: list[Part] = []
    at = start
    for part in sorted(found, key=lambda part: (part.offset, -part.size)):
        if part.offset > at:
            made.append(gap(at, part.offset - at))
        begin = max(at, part.offset)
        if part.end > begin:
            made.append(Part(begin, part.end - begin, part.kind, part.name, part.index))
            at = part.end
    return [*made, gap(at, end - at)] if at < end else made


def _between(size: int) -> str:
    return "alignment" if size < _MOST_ALIGNMENT else "not known"


def _tables(image: Image) -> Iterator[Part]:
    for field, (name, size) in PARTS.items():
        yield Part(image.word(field), size * image.word(field + 4), TABLES, name)
    yield Part(image.word(layout.IMAGE_NAMES), 4 * image.word(layout.IMAGE_NAMES + 4), TABLES, "where names are")
    for i, record in enumerate(table_records(image.data, layout.IMAGE_ELEMENTS, layout.ELEMENT_SIZE)):
        yield Part(record[5], 12 * record[6], TABLES, f"items of element segment {i}", i)


# What has strings, and in which words of its records.
_STRINGS = (
    ("types", layout.IMAGE_TYPES, layout.TYPE_SIZE, (2,)),
    ("imports", layout.IMAGE_IMPORTS, layout.IMPORT_SIZE, (1, 2)),
    ("exports", layout.IMAGE_EXPORTS, layout.EXPORT_SIZE, (0,)),
    ("functions, for traps", layout.IMAGE_NAMES, 4, (0,)),
)


def _names(image: Image) -> Iterator[Part]:
    """Each string at the first that needs it: functions have what only the texts of traps do."""
    seen: set[int] = set()
    for what, field, size, words in _STRINGS:
        for record in table_records(image.data, field, size):
            for offset in (record[word] for word in words):
                if offset and offset not in seen:
                    seen.add(offset)
                    yield Part(offset, 2 + len(string(image.data, offset).encode()), NAMES, what)


def _data(image: Image) -> Iterator[Part]:
    for i, record in enumerate(table_records(image.data, layout.IMAGE_DATA, layout.DATA_SIZE)):
        yield Part(record[4], record[5], DATA, f"data segment {i}", i)


def _code_by_tables(image: Image) -> Iterator[Part]:
    """Of an image alone: each function up to the next; behind the last one may be the library and constants."""
    start, size = image.word(layout.IMAGE_CODE_OFFSET), image.code_size
    starts = {start: ("entry code", ENTRY, -1), image.word(layout.IMAGE_ENTER): ("stub", ENTRY, -1)}
    for i, (_, thunk, text) in enumerate(table_records(image.data, layout.IMAGE_TYPES, layout.TYPE_SIZE)):
        if thunk:
            starts[thunk] = (f"thunk of {string(image.data, text)}", ENTRY, i)
    names = table_records(image.data, layout.IMAGE_NAMES, 4)
    for i, (at, _) in enumerate(table_records(image.data, layout.IMAGE_FUNCTIONS, layout.FUNCTION_SIZE)):
        if at:
            name = f" ({string(image.data, names[i][0])})" if names[i][0] else ""
            starts[at] = (f"function {i}{name}", FUNCTIONS, i)
    starts[max(starts)] = ("stub, library, constants", LIBRARY, -1)
    for at, after in pairwise([*sorted(starts), start + size]):
        name, kind, index = starts[at]
        yield Part(at, after - at, kind, name, index)
