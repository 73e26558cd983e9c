"""An image read back on the host, for `insitu inspect` and for what must be known before a run."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from insitu.errors import InsituError
from insitu.port.host.wasi import NAME as WASI
from insitu.port.xip import layout
from insitu.toolchain import STACK, Kind

_KIND_NAMES = {
    layout.KIND_FUNCTION: "func",
    layout.KIND_TABLE: "table",
    layout.KIND_MEMORY: "memory",
    layout.KIND_GLOBAL: "global",
}
_MUTABLE_I32 = ord("i") + 256  # GLOBAL_TYPE
_PAGE = 65536
_ENTRY_SIZES = {ord("p"): layout.FUNCREF_SIZE, ord("x"): layout.EXTERNREF_SIZE}  # of a table, by its type
ARCH_NAMES = {
    layout.ARCH_ARMV6M: "Cortex-M0+",
    layout.ARCH_THUMB: "Cortex-M (soft float)",
    layout.ARCH_THUMB_HARD_FLOAT: "Cortex-M with FPU",
    layout.ARCH_RV32: "rv32imc",
}


def has_allocator(functions: Iterable[str]) -> bool:
    """Whether exported functions of these names make a heap of the module's own: C's, or AssemblyScript's."""
    return not {"malloc", "__new"}.isdisjoint(functions)


class ImageError(InsituError):
    """Not an image, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Image:
    """Attributes: types, for functions, are strings such as "ii:i" (port/xip/layout.py)."""

    data: bytes
    arch: int
    imports: list[tuple[str, str, str, str]]  # module, name, kind, type
    exports: list[tuple[str, str, str]]  # name, kind, type

    def word(self, field: int) -> int:
        return int(struct.unpack_from("<I", self.data, field)[0])

    @property
    def crc(self) -> int:
        """What it is told from other images by."""
        return self.word(layout.IMAGE_CRC)

    @property
    def code_offset(self) -> int:
        return self.word(layout.IMAGE_CODE_OFFSET)

    @property
    def code_size(self) -> int:
        return self.word(layout.IMAGE_CODE_SIZE)

    @property
    def tables_size(self) -> int:
        """Bytes that are neither code nor data segments."""
        return len(self.data) - self.code_size - self.segments_size

    @property
    def segments_size(self) -> int:
        return sum(record[5] for record in table_records(self.data, layout.IMAGE_DATA, layout.DATA_SIZE))

    @property
    def tables_apart(self) -> list[tuple[int, int]]:
        """Of each table that is neither imported nor in the instance's block: entries at first, bytes of an entry."""
        records = table_records(self.data, layout.IMAGE_TABLES, layout.TABLE_SIZE)
        imported = sum(kind == "table" for _, _, kind, _ in self.imports)
        return [(record[1], _ENTRY_SIZES[record[0]]) for record in records[imported:] if not record[4]]

    @property
    def memory_size(self) -> int:
        return self.word(layout.IMAGE_MEMORY_SIZE)

    @property
    def memory_slack(self) -> int:
        return 0 if self.window is not None else self.word(layout.IMAGE_MEMORY_SLACK)

    @property
    def window(self) -> int | None:
        """Bytes of linear memory that are RAM from the start, where it has a window."""
        windowed = self.word(layout.IMAGE_FLAGS) & layout.FLAG_MEMORY_WINDOW
        return self.word(layout.IMAGE_MEMORY_SLACK) if windowed else None

    @property
    def page_size(self) -> int:
        """Bytes of what linear memory is counted in."""
        return 1 if self.word(layout.IMAGE_FLAGS) & layout.FLAG_MEMORY_BYTES else _PAGE

    @property
    def far_page(self) -> int:
        """Bytes of a far page, where its linear memory has a window."""
        return 1 << (self.word(layout.IMAGE_FLAGS) >> layout.FLAGS_FAR_SHIFT & 15)

    def uses(self, module: str) -> bool:
        """Whether anything is imported from the module of that name."""
        return any(name == module for name, _, _, _ in self.imports)

    @property
    def exports_allocator(self) -> bool:
        return has_allocator(name for name, kind, _ in self.exports if kind == "func")

    def memory_note(self) -> str:
        """One clause on linear memory: fixed, truncated, growing."""
        flags = self.word(layout.IMAGE_FLAGS)
        if not flags & layout.FLAG_MEMORY:
            return "none"
        if flags & layout.FLAG_MEMORY_IMPORTED:
            return "imported"
        if self.window is not None:
            start = self.word(layout.IMAGE_APP_HEAP)
            window = f"{self.window} bytes of RAM as its window" + (f" at {start}" if start else "")
            return f"{window}, the rest in far pages of {self.far_page} when written"
        if flags & layout.FLAG_MEMORY_TRUNCATED:
            return "fixed, ends at __heap_base"
        if flags & layout.FLAG_MEMORY_GROWS:
            return "can grow"
        return "fixed, whole pages" if flags & layout.FLAG_MEMORY_FIXED else "fixed, with an app heap at its end"

    def memory_hint(self) -> str:
        """Why linear memory is as large as it is, and what would change that; empty where nothing has to be said."""
        if self.window is not None:
            return self._window_hint(self.window)
        note = self.memory_note()
        marks = {"__heap_base": layout.IMAGE_HEAP_BASE, "__data_end": layout.IMAGE_DATA_END}
        missing = [f"-Wl,--export={name}" for name, field in marks.items() if self.word(field) == layout.NONE]
        if note not in ("none", "imported") and (stack := self._aux_stack_size()) >= _PAGE:
            least = STACK[Kind.PROGRAM if self.uses(WASI) else Kind.BARE]
            options = " ".join([f"-Wl,-z,stack-size={least}", *missing])
            return f"the aux stack takes {stack} of these bytes, which is its linker's default: link with {options}"
        if note == "can grow":
            return "not truncated: memory.grow is used, or its growth is exported"
        if note != "fixed, whole pages" or not self.memory_size:
            return ""
        if self.exports_allocator:
            return "not truncated: the exported allocator has what lies above __heap_base"
        if not missing:
            return "not truncated: the code has memory.size or memory.grow"
        return f"link with {' '.join(missing)} to save up to {self.memory_size - self._data_end()} bytes"

    def _window_hint(self, window: int) -> str:
        """That it does not begin at 0; that the stack, which comes first, leaves no room for the data behind it."""
        stack = self._aux_stack_size()
        if start := self.word(layout.IMAGE_APP_HEAP):
            return (
                f"the window begins at {start} and not at 0, which costs code, a subtraction an access: "
                f"--window {start + window} has less code and takes {start} bytes more of RAM"
            )
        if not window or stack < window:
            return ""
        least = STACK[Kind.PROGRAM if self.uses(WASI) else Kind.BARE]
        return (
            f"the aux stack takes the first {stack} bytes, so data and heap are far: "
            f"link with -Wl,-z,stack-size={least} to have them in the window"
        )

    def _aux_stack_size(self) -> int:
        """Bytes of the aux stack; without the marks what the first global, taken for its pointer, makes likely."""
        known = self.word(layout.IMAGE_AUX_STACK_SIZE)
        own = table_records(self.data, layout.IMAGE_GLOBALS, layout.GLOBAL_SIZE)[self._imported_globals :]
        if known or not own:
            return known
        kind, _, expression, top, _ = own[0]
        if (kind, expression) != (_MUTABLE_I32, layout.EXPR_CONST) or top % 16 or top > self.memory_size:
            return 0
        below = [end for start, end in self._data_places() if start < top]
        return top - max(below, default=0)

    @property
    def _imported_globals(self) -> int:
        return sum(kind == "global" for _, _, kind, _ in self.imports)

    def _data_end(self) -> int:
        """Where the last active data segment of a constant place ends."""
        return max([end for _, end in self._data_places()], default=0)

    def _data_places(self) -> list[tuple[int, int]]:
        """Start and end of each active data segment of a constant place."""
        records = table_records(self.data, layout.IMAGE_DATA, layout.DATA_SIZE)
        places = [(mode, kind, low, low + length) for mode, kind, low, _, _, length in records]
        active = (layout.SEGMENT_ACTIVE, layout.EXPR_CONST)
        return [(start, end) for *placed, start, end in places if tuple(placed) == active]


# What a header's offset and count are of, and the bytes of a record.
PARTS = {
    layout.IMAGE_TYPES: ("types", layout.TYPE_SIZE),
    layout.IMAGE_FUNCTIONS: ("functions", layout.FUNCTION_SIZE),
    layout.IMAGE_IMPORTS: ("imports", layout.IMPORT_SIZE),
    layout.IMAGE_EXPORTS: ("exports", layout.EXPORT_SIZE),
    layout.IMAGE_GLOBALS: ("globals", layout.GLOBAL_SIZE),
    layout.IMAGE_TABLES: ("tables", layout.TABLE_SIZE),
    layout.IMAGE_DATA: ("data segments", layout.DATA_SIZE),
    layout.IMAGE_ELEMENTS: ("element segments", layout.ELEMENT_SIZE),
}


def _outside(what: str, offset: int, size: int, data: bytes) -> ImageError:
    return ImageError(
        f"the image is wrong: {what} at offset {offset:#x}, {size} bytes, are not inside of its {len(data)} bytes"
    )


def table_records(data: bytes, field: int, size: int) -> list[tuple[int, ...]]:
    offset, count = struct.unpack_from("<II", data, field)
    if offset + size * count > len(data):
        raise _outside(PARTS[field][0], offset, size * count, data)
    return [struct.unpack_from(f"<{size // 4}I", data, offset + size * i) for i in range(count)]


def string(data: bytes, offset: int) -> str:
    if offset + 2 > len(data):
        raise _outside("a name", offset, 2, data)
    (length,) = struct.unpack_from("<H", data, offset)
    if offset + 2 + length > len(data):
        raise _outside("a name", offset, 2 + length, data)
    try:
        return data[offset + 2 : offset + 2 + length].decode()
    except UnicodeDecodeError:
        raise ImageError(f"the image is wrong: the name at offset {offset:#x} is not UTF-8") from None


def _pick(found: Sequence[str], index: int, what: str) -> str:
    if index >= len(found):
        raise ImageError(f"the image is wrong: {what} {index} of {len(found)}")
    return found[index]


def _kind(number: int) -> str:
    if number not in _KIND_NAMES:
        raise ImageError(f"the image is wrong: an import or export of kind {number}, which is none")
    return _KIND_NAMES[number]


def _check_parts(data: bytes) -> None:
    """Raise ImageError where a part, code or a segment's bytes lie outside, or a table has no such type."""
    for field, (_, size) in PARTS.items():
        table_records(data, field, size)
    offset, size = struct.unpack_from("<II", data, layout.IMAGE_CODE_OFFSET)
    if offset + size > len(data):
        raise _outside("code", offset, size, data)
    for *_, start, length in table_records(data, layout.IMAGE_DATA, layout.DATA_SIZE):
        if start + length > len(data):
            raise _outside("a data segment", start, length, data)
    for kind, *_ in table_records(data, layout.IMAGE_TABLES, layout.TABLE_SIZE):
        if kind not in _ENTRY_SIZES:
            raise ImageError(f"the image is wrong: a table of type {kind:#x}, which is none")


def read(data: bytes) -> Image:
    """The image in data. Raises ImageError where magic, version, size or CRC are wrong, or an offset leads outside."""
    if len(data) < layout.HEADER_SIZE or struct.unpack_from("<I", data)[0] != layout.MAGIC:
        raise ImageError("not an insitu image: the magic number is missing")
    version, size = (struct.unpack_from("<I", data, f)[0] for f in (layout.IMAGE_VERSION, layout.IMAGE_SIZE))
    if version != layout.FORMAT_VERSION:
        raise ImageError(f"the image has format version {version}, this insitu reads {layout.FORMAT_VERSION}")
    if size > len(data):
        raise ImageError(f"the image is cut off: {len(data)} bytes of {size}")
    if size < layout.HEADER_SIZE:
        raise ImageError(f"the image is wrong: it says that it has {size} bytes, its header has {layout.HEADER_SIZE}")
    data = data[:size]
    if zlib.crc32(data[layout.IMAGE_CRC + 4 :]) != struct.unpack_from("<I", data, layout.IMAGE_CRC)[0]:
        raise ImageError("the image is damaged: its CRC does not match")
    _check_parts(data)
    types = [string(data, record[2]) for record in table_records(data, layout.IMAGE_TYPES, layout.TYPE_SIZE)]
    functions = [_pick(types, r[1], "type") for r in table_records(data, layout.IMAGE_FUNCTIONS, layout.FUNCTION_SIZE)]

    def described(kind: int, index: int) -> str:
        return _pick(functions, index, "function") if kind == layout.KIND_FUNCTION else ""

    imports = [
        (string(data, r[1]), string(data, r[2]), _kind(r[0]), described(r[0], r[3]))
        for r in table_records(data, layout.IMAGE_IMPORTS, layout.IMPORT_SIZE)
    ]
    exports = [
        (string(data, r[0]), _kind(r[1]), described(r[1], r[2]))
        for r in table_records(data, layout.IMAGE_EXPORTS, layout.EXPORT_SIZE)
    ]
    return Image(data, struct.unpack_from("<I", data, layout.IMAGE_ARCH)[0], imports, exports)
