"""Source maps (ECMA-426), which AssemblyScript's and Emscripten's compilers write beside a module instead of DWARF.

The module has the map's name in a custom section. A map's columns are offsets in the module's file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from insitu.wasm.errors import Malformed
from insitu.wasm.reader import Reader
from insitu.wasm.write import sized

SECTION = "sourceMappingURL"
_HEADER = 8  # bytes of a module's magic and version
_DATA = "data:application/json;base64,"
_DIGITS = {digit: i for i, digit in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_MORE, _VALUE_BITS = 32, 5  # of a digit


def with_map(data: bytes, path: Path) -> bytes:
    """A module of the file at path with its map in it, as a further section; as it is where it has none.

    What a module is compiled to does not depend on it.
    """
    named = [content for name, content in _customs(data) if name == SECTION]
    place = _beside(named[0], path) if named else None
    try:
        found = place.read_bytes() if place else b""
    except (OSError, ValueError):  # a name that no file can have
        found = b""
    if not found:
        return data
    url = (_DATA + base64.b64encode(found).decode()).encode()
    content = sized(SECTION.encode()) + sized(url)
    return data + b"\0" + sized(content)


def rows(content: bytes) -> list[tuple[int, tuple[str, int] | None]]:
    """Of the content of a section that holds a map: offsets in the module's file, and file and line from there on.

    None: nothing is said. Empty where the section holds none, or one that cannot be read.
    """
    try:
        url = Reader(content).name()
        if not url.startswith(_DATA):
            return []
        found = json.loads(base64.b64decode(url.removeprefix(_DATA)))
        return [*_decoded(str(found["mappings"]), found["sources"])]
    except (Malformed, ValueError, KeyError, IndexError, TypeError):
        return []


def _decoded(mappings: str, sources: list[str | None]) -> Iterator[tuple[int, tuple[str, int] | None]]:
    """All of them are on the first line. A segment has the column alone, or also source, line, column and a name's."""
    offset = source = line = 0
    for segment in mappings.partition(";")[0].split(","):
        numbers = [*_numbers(segment)]
        if not numbers:
            continue
        offset += numbers[0]
        if len(numbers) == 1:
            yield offset, None
        else:
            source, line = source + numbers[1], line + numbers[2]
            file = sources[source]
            yield offset, None if file is None else (str(file), line + 1)


def _numbers(segment: str) -> Iterator[int]:
    """Signed numbers in digits of base 64, the lowest first; the lowest bit of a number is its sign."""
    value = shift = 0
    for letter in segment:
        digit = _DIGITS[letter]
        value |= (digit & _MORE - 1) << shift
        shift += _VALUE_BITS
        if not digit & _MORE:
            yield -(value >> 1) if value & 1 else value >> 1
            value = shift = 0


def _customs(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of custom sections, as far as the file is whole."""
    reader = Reader(data, _HEADER)
    try:
        while reader.left:
            kind, size = reader.byte(), reader.unsigned()
            part = Reader(reader.take(size))
            if not kind:
                yield part.name(), part.take(part.left)
    except Malformed:
        return


def _beside(content: bytes, path: Path) -> Path | None:
    """The file that a section names: where it says, seen from the module; beside the module where it is on a server."""
    try:
        url = urlsplit(Reader(content).name())
    except (Malformed, ValueError):
        return None
    if url.scheme == "data":
        return None
    name = unquote(url.path)
    return path.parent / (Path(name).name if url.scheme else name)
