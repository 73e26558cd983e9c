"""From code and module to the image's bytes. Pure: no files, no linker."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from insitu.aot import signature
from insitu.errors import InsituError
from insitu.port.xip import layout
from insitu.wasm.types import ValType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from insitu.aot.contract import StackUse
    from insitu.aot.link import Code
    from insitu.aot.plan import Plan
    from insitu.wasm.module import Expression

_KINDS = {
    "func": layout.KIND_FUNCTION,
    "table": layout.KIND_TABLE,
    "memory": layout.KIND_MEMORY,
    "global": layout.KIND_GLOBAL,
}
_MODES = {
    "active": layout.SEGMENT_ACTIVE,
    "passive": layout.SEGMENT_PASSIVE,
    "declarative": layout.SEGMENT_DECLARATIVE,
}
CODE_ALIGNMENT = 8


def _none(value: int | None) -> int:
    return layout.NONE if value is None else value


class _Packer:
    """The part of the image behind the code, and the header's fields as they become known."""

    def __init__(self, plan: Plan, code: Code, stack: StackUse) -> None:
        self.plan, self.m, self.code, self.stack = plan, plan.wasm, code, stack
        self.header = bytearray(layout.HEADER_SIZE)
        self.code_offset = -(-layout.HEADER_SIZE // CODE_ALIGNMENT) * CODE_ALIGNMENT
        self.tail = bytearray()
        self.tail_offset = (self.code_offset + len(code.data) + 3) & ~3
        self.strings: dict[bytes, int] = {}

    def set(self, field: int, *words: int) -> None:
        struct.pack_into(f"<{len(words)}I", self.header, field, *(w & 0xFFFFFFFF for w in words))

    def add(self, data: bytes, alignment: int = 4) -> int:
        """Append to the tail; the offset in the image."""
        while (self.tail_offset + len(self.tail)) % alignment:
            self.tail.append(0)
        offset = self.tail_offset + len(self.tail)
        self.tail += data
        return offset

    def string(self, text: str) -> int:
        data = text.encode()
        if data not in self.strings:
            self.strings[data] = self.add(struct.pack("<H", len(data)) + data, 2)
        return self.strings[data]

    def records(self, field: int, rows: Sequence[tuple[int, ...]]) -> None:
        """A table of records: its offset and count go into the header at field."""
        words = [word & 0xFFFFFFFF for row in rows for word in row]
        self.set(field, self.add(struct.pack(f"<{len(words)}I", *words)), len(rows))

    def symbol(self, name: str) -> int:
        """Offset in the image of a symbol of the code; KeyError where the linker lost it, a bug of ours."""
        return self.code_offset + self.code.symbols[name]

    def function(self, index: int) -> int:
        """Offset of a function's code; 0 for one that was inlined everywhere and is gone."""
        name = f"f{index}"
        return self.symbol(name) if index in self.plan.exposed or name in self.code.symbols else 0

    # --- expressions ---

    def expression(self, expression: Expression) -> tuple[int, int, int]:
        opcode, immediate, _ = expression[0]
        if opcode == 0x23:
            return layout.EXPR_GLOBAL, immediate, 0
        if opcode == 0xD2:
            return layout.EXPR_FUNCTION, immediate, 0
        if opcode == 0xD0:
            return self.null(immediate)
        return layout.EXPR_CONST, immediate & 0xFFFFFFFF, immediate >> 32 & 0xFFFFFFFF

    @staticmethod
    def null(reftype: ValType) -> tuple[int, int, int]:
        funcref = reftype is ValType.funcref
        return (layout.EXPR_FUNCTION, layout.NONE, 0) if funcref else (layout.EXPR_NULL, 0, 0)

    def item(self, item: object, reftype: ValType) -> tuple[int, int, int]:
        """An element: a function index, None, or ("global", index)."""
        if isinstance(item, tuple):
            return layout.EXPR_GLOBAL, item[1], 0
        return self.null(reftype) if item is None else (layout.EXPR_FUNCTION, int(str(item)), 0)

    # --- tables ---

    def types(self) -> None:
        thunks = set(self.plan.thunk_types)
        rows = []
        for index, function_type in enumerate(self.m.types):
            first = self.m.types.index(function_type)
            thunk = self.symbol(f"t{first}") if first in thunks else 0
            rows.append((signature.word(function_type), thunk, self.string(signature.string(function_type))))
            del index
        self.records(layout.IMAGE_TYPES, rows)

    def functions(self) -> None:
        rows = [(self.function(i), t) for i, t in enumerate(self.m.func_type_indices)]
        self.records(layout.IMAGE_FUNCTIONS, rows)
        names = [self.m.function_name(i) for i in range(len(rows))]
        self.records(layout.IMAGE_NAMES, [(self.string(name) if name else 0,) for name in names])

    def imports(self) -> None:
        counts = dict.fromkeys(_KINDS, 0)
        slots = {
            "func": self.plan.import_slots,
            "global": self.plan.global_slots,
            "table": [table.slot for table in self.plan.tables],
            "memory": [0],
        }
        rows = []
        for item in self.m.imports:
            index = counts[item.kind]
            counts[item.kind] += 1
            slot = slots[item.kind][index]
            rows.append((_KINDS[item.kind], self.string(item.module), self.string(item.name), index, slot))
        self.records(layout.IMAGE_IMPORTS, rows)

    def exports(self) -> None:
        rows = [(self.string(e.name), _KINDS[e.kind], e.index) for e in self.m.exports]
        self.records(layout.IMAGE_EXPORTS, rows)

    def globals(self) -> None:
        inits = [(0, 0, 0)] * self.plan.imported_globals + [self.expression(g.init) for g in self.m.globals]
        rows = []
        for global_type, slot, init in zip(self.m.global_types, self.plan.global_slots, inits, strict=True):
            letter = ord(signature.letter(global_type.valtype)) + 256 * global_type.mutable
            rows.append((letter, slot, *init))
        self.records(layout.IMAGE_GLOBALS, rows)

    def tables(self) -> None:
        rows = []
        for table_type, table in zip(self.m.table_types, self.plan.tables, strict=True):
            limits, letter = table_type.limits, ord(signature.letter(table_type.element))
            rows.append((letter, limits.minimum, _none(limits.maximum), table.slot, table.entries))
        self.records(layout.IMAGE_TABLES, rows)

    def data(self) -> None:
        rows = []
        for segment in self.m.data:
            offset = self.expression(segment.offset) if segment.mode == "active" else (0, 0, 0)
            start = self.add(segment.data, 4)
            rows.append((_MODES[segment.mode], *offset, start, len(segment.data)))
        self.records(layout.IMAGE_DATA, rows)

    def elements(self) -> None:
        rows = []
        for segment in self.m.elements:
            offset = self.expression(segment.offset) if segment.mode == "active" else (0, 0, 0)
            words = [word for item in segment.items for word in self.item(item, segment.reftype)]
            items = self.add(struct.pack(f"<{len(words)}I", *words))
            letter = ord(signature.letter(segment.reftype))
            rows.append((_MODES[segment.mode], segment.table, *offset, items, len(segment.items), letter))
        self.records(layout.IMAGE_ELEMENTS, rows)

    # --- header ---

    def _flags(self) -> int:
        flags = layout.FLAG_EXTERNREF * self.plan.has_externrefs
        flags |= layout.FLAG_INTERRUPTIBLE * self.plan.interruptible
        if not self.m.memory_types:
            return flags
        memory = self.plan.memory
        flags |= layout.FLAG_MEMORY
        flags |= layout.FLAG_MEMORY_IMPORTED * bool(self.m.imported_memory_count)
        flags |= layout.FLAG_MEMORY_FIXED * memory.fixed
        flags |= layout.FLAG_MEMORY_GROWS * memory.grows
        flags |= layout.FLAG_MEMORY_SHARED * self.m.shares_memory
        flags |= layout.FLAG_MEMORY_BYTES * (self.m.memory_types[0].page == 1)
        if memory.window:
            flags |= layout.FLAG_MEMORY_WINDOW | memory.window.page.bit_length() - 1 << layout.FLAGS_FAR_SHIFT
        return flags | layout.FLAG_MEMORY_TRUNCATED * memory.truncated

    def fill_header(self) -> None:
        plan, aux = self.plan, self.plan.aux_stack
        target = plan.target
        limits = self.m.memory_types[0].limits if self.m.memory_types else None
        self.set(layout.IMAGE_MAGIC, layout.MAGIC, layout.FORMAT_VERSION, target.arch, target.cpu_features)
        self.set(layout.IMAGE_CODE_OFFSET, self.code_offset, len(self.code.data))
        self.set(layout.IMAGE_ENTER, self.symbol("insitu_enter"))
        self.set(layout.IMAGE_FLAGS, self._flags())
        self.set(layout.IMAGE_START_FUNCTION, _none(self.m.start))
        self.set(layout.IMAGE_INSTANCE_SIZE, plan.instance_size, plan.args_distance, plan.args_slots)
        self.set(layout.IMAGE_MEMORY_SIZE, plan.memory.size)
        self.set(layout.IMAGE_MEMORY_MIN, limits.minimum if limits else 0)
        self.set(layout.IMAGE_MEMORY_MAX, _none(limits.maximum) if limits else 0)
        self.set(layout.IMAGE_AUX_STACK_BOTTOM, aux.bottom, aux.top - aux.bottom, _none(aux.pointer))
        self.set(layout.IMAGE_DATA_END, _none(aux.data_end), _none(aux.heap_base))
        self.set(layout.IMAGE_STACK_GUARD, self.stack.guard, self.stack.needed)
        window = plan.memory.window
        kept = (window.low, window.size) if window else (plan.memory.app_heap, plan.memory.slack)
        self.set(layout.IMAGE_APP_HEAP, *kept)

    def pack(self) -> bytes:
        self.types()
        self.functions()
        self.imports()
        self.exports()
        self.globals()
        self.tables()
        self.data()
        self.elements()
        self.fill_header()
        while len(self.tail) % 4:
            self.tail.append(0)
        size = self.tail_offset + len(self.tail)
        if size > layout.MOST_IMAGE:
            raise InsituError(f"the image has {size} bytes, the limit is {layout.MOST_IMAGE}")
        self.set(layout.IMAGE_SIZE, size)
        self.set(layout.IMAGE_SIZE_INVERTED, ~size)
        body = bytearray(self.header)
        body += bytes(self.code_offset - len(body)) + self.code.data
        body += bytes(self.tail_offset - len(body)) + self.tail
        return seal(body)


def seal(image: bytearray) -> bytes:
    """The image with the CRC-32 of what it holds now."""
    struct.pack_into("<I", image, layout.IMAGE_CRC, zlib.crc32(image[layout.IMAGE_CRC + 4 :]))
    return bytes(image)


def pack(plan: Plan, code: Code, stack: StackUse) -> bytes:
    """The image of a compiled module, ready to be flashed."""
    return _Packer(plan, code, stack).pack()
