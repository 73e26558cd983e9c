"""The binary format's sections (section 5.5 of the standard): bytes to a Module. validate.py checks types."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from insitu.wasm.errors import Invalid, Malformed, Unsupported, WasmError
from insitu.wasm.expressions import read_expression
from insitu.wasm.module import Data, Element, Export, Expression, Function, Global, Import, Module
from insitu.wasm.names import read_names
from insitu.wasm.reader import Reader
from insitu.wasm.types import ValType

MAX_LOCALS = 50_000  # a function's; the same limit as browsers have
MAX_ALL_LOCALS = 1_000_000  # a module's: three bytes can declare 50,000, and each takes memory here

MAGIC, _VERSION = b"\0asm", b"\x01\0\0\0"
_KINDS = ("func", "table", "memory", "global")
_SECTION_NAMES = [
    "custom",
    "type",
    "import",
    "function",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "element",
    "code",
    "data",
    "data_count",
]
_ORDER = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11]  # section ids as they follow each other
_NEED_DATA_COUNT = (0xFC08, 0xFC09)  # memory.init, data.drop


class _Decoder:
    """Reads sections into a module; one method a section."""

    def __init__(self, data: bytes) -> None:
        self.r = Reader(data)
        self.m = Module()
        self.body_offsets: list[int] = []
        self.code_end = 0
        self.code_count = 0
        self.local_count = 0

    def decode(self) -> Module:
        r, m = self.r, self.m
        self._header(MAGIC, "magic header not detected")
        self._header(_VERSION, "unknown binary version")
        place = -1
        while r.left:
            place = self._section(place)
        self._check_counts()
        if r.unknown_type is not None:
            raise Invalid("unknown type", r.unknown_type)
        for name, content, _ in m.customs:
            if name == "name":
                m.names = read_names(content)
        return m

    def _header(self, expected: bytes, reason: str) -> None:
        found = self.r.data[self.r.position : self.r.position + 4]
        if len(found) < 4:
            raise self.r.fail("unexpected end: a module begins with 8 bytes of magic and version")
        if found != expected:
            raise self.r.fail(reason)
        self.r.position += 4

    def _check_counts(self) -> None:
        r, m = self.r, self.m
        if len(m.function_types) != self.code_count:
            raise r.fail(
                "function and code section have inconsistent lengths: "
                f"{len(m.function_types)} declared, {self.code_count} with code"
            )
        if m.data_count is None:
            if m.data:  # without data, validation says that the segment is unknown
                self._check_no_data_count_needed()
        elif m.data_count != len(m.data):
            raise r.fail(
                "data count and data section have inconsistent lengths: "
                f"{m.data_count} declared, {len(m.data)} with data"
            )

    def _check_no_data_count_needed(self) -> None:
        for function in self.m.functions:
            for code, _, at in function.body:
                if code in _NEED_DATA_COUNT:
                    raise Malformed("data count section required", at)

    def _section(self, place: int) -> int:
        """Read one section; place, and what is returned, is the last known section's in the order."""
        r, at = self.r, self.r.position
        section = r.byte()
        if section >= len(_SECTION_NAMES):
            raise r.fail(f"malformed section id: {section}", at)
        size = r.unsigned()
        if size > r.left:
            raise r.fail(f"length out of bounds: a section of {size} bytes, {r.left} left", at)
        name, end = _SECTION_NAMES[section], r.position + size
        self.m.sections.append((name, r.position, size))
        if section:
            if _ORDER.index(section) <= place:
                raise r.fail(f"unexpected content after last section: {name} section out of order", at)
            place = _ORDER.index(section)
            getattr(self, f"_{name}")()
        else:
            self._custom(end)
        if r.position != end:
            raise r.fail(f"section size mismatch: the {name} section should end at {end:#x}")
        return place

    def _custom(self, end: int) -> None:
        name = self.r.name()
        if self.r.position > end:
            raise self.r.ended("a custom section's name is longer than the section")
        start = self.r.position
        self.m.customs.append((name, self.r.take(end - start), start))

    def _type(self) -> None:
        self.r.types = self.m.types = self.r.vector(self.r.functype)

    def _import(self) -> None:
        self.m.imports = self.r.vector(self._one_import)

    def _one_import(self) -> Import:
        r = self.r
        module, name, kind = r.name(), r.name(), self._kind("import")
        return Import(module, name, _KINDS[kind], (r.type_index, r.tabletype, r.memorytype, r.globaltype)[kind]())

    def _kind(self, what: str) -> int:
        kind = self.r.byte()
        if kind >= len(_KINDS):
            raise self.r.fail(f"malformed {what} kind: {kind}", self.r.position - 1)
        return kind

    def _function(self) -> None:
        self.m.function_types = self.r.vector(self.r.type_index)

    def _table(self) -> None:
        self.m.tables = self.r.vector(self.r.tabletype)

    def _memory(self) -> None:
        self.m.memories = self.r.vector(self.r.memorytype)

    def _global(self) -> None:
        self.m.globals = self.r.vector(lambda: Global(self.r.globaltype(), self._expr()))

    def _expr(self) -> Expression:
        return read_expression(self.r)

    def _export(self) -> None:
        self.m.exports = self.r.vector(self._one_export)

    def _one_export(self) -> Export:
        name = self.r.name()
        return Export(name, _KINDS[self._kind("export")], self.r.unsigned())

    def _start(self) -> None:
        self.m.start = self.r.unsigned()

    def _element(self) -> None:
        self.m.elements = self.r.vector(self._one_element)

    def _one_element(self) -> Element:
        """Section 5.5.12: bit 0 passive or declarative, bit 1 explicit table or declarative, bit 2 expressions."""
        r, at = self.r, self.r.position
        flags = r.unsigned()
        if flags > 7:
            raise r.fail(f"malformed elements segment kind: {flags}", at)
        mode = "active" if not flags & 1 else ("declarative" if flags & 2 else "passive")
        table = r.unsigned() if mode == "active" and flags & 2 else 0
        offset = self._expr() if mode == "active" else []
        reftype = ValType.funcref
        if flags & 3:
            if flags & 4:
                reftype = r.reftype()
            elif r.byte():
                raise r.fail("malformed element kind", r.position - 1)
        if not flags & 4:
            return Element(mode, table, offset, reftype, r.vector(r.unsigned), [], at)
        expressions = r.vector(self._expr)
        return Element(mode, table, offset, reftype, [_item(e) for e in expressions], expressions, at)

    def _data_count(self) -> None:
        self.m.data_count = self.r.unsigned()

    def _data(self) -> None:
        self.m.data = self.r.vector(self._one_data)

    def _one_data(self) -> Data:
        r, at = self.r, self.r.position
        flags = r.unsigned()
        if flags > 2:
            raise r.fail(f"malformed data segment kind: {flags}", at)
        memory = r.unsigned() if flags == 2 else 0
        offset = [] if flags == 1 else self._expr()
        return Data("passive" if flags == 1 else "active", memory, offset, r.take(r.unsigned()), at)

    def _code(self) -> None:
        _, start, size = self.m.sections[-1]
        self.code_end = start + size
        self.code_count = self.r.unsigned()
        if self.code_count == len(self.m.function_types):  # else _check_counts refuses it
            for type_index in self.m.function_types:
                self.m.functions.append(self._body(type_index))
        else:
            self.r.position = self.code_end

    def _body(self, type_index: int) -> Function:
        r = self.r
        size, start = r.unsigned(), r.position
        self.body_offsets.append(start)
        if size > r.left:
            raise r.ended(f"a function of {size} bytes, {r.left} left")
        local_types = self._locals(start)
        body = read_expression(r)
        if r.position != start + size:
            raise r.fail(f"section size mismatch: the function should end at {start + size:#x}")
        return Function(type_index, local_types, body, start)

    def _locals(self, start: int) -> list[ValType]:
        r = self.r
        groups = r.vector(lambda: (r.unsigned(), r.valtype()))
        total = sum(count for count, _ in groups)
        if total >> 32:
            raise r.fail(f"too many locals: {total}", start)
        if total > MAX_LOCALS:
            raise Unsupported(f"too many locals: {total}, the limit is {MAX_LOCALS}", start)
        self.local_count += total
        if self.local_count > MAX_ALL_LOCALS:
            raise Unsupported(f"too many locals: the limit for a module is {MAX_ALL_LOCALS}", start)
        return [valtype for count, valtype in groups for _ in range(count)]

    def located(self, error: WasmError) -> WasmError:
        """The error with the function that its offset lies in."""
        if not self.body_offsets or not self.body_offsets[0] <= error.offset <= self.code_end:
            return error
        index = self.m.imported_function_count + bisect_right(self.body_offsets, error.offset) - 1
        return type(error)(error.reason, error.offset, index, self._function_name(index))

    def _function_name(self, index: int) -> str:
        """As far as it can be known: the name section stands behind the code that could not be read."""
        r = Reader(self.r.data, self.code_end)
        try:
            while r.left:
                section, size = r.byte(), r.unsigned()
                part = Reader(r.take(size))
                if section == 0 and part.name() == "name":
                    self.m.names = read_names(part.take(part.left))
        except Malformed:
            pass
        return self.m.function_name(index)


def _item(expression: Expression) -> Any:
    """An element's constant expression as Element.items has it; validate.py refuses what is none."""
    code, immediate, _ = expression[0]
    if code == 0xD2:
        return immediate
    return ("global", immediate) if code == 0x23 else None


def decode(data: bytes) -> Module:
    """The module in data; raises a WasmError.

    That is Malformed, or Unsupported for what later proposals add and for sizes beyond insitu's limits, or
    Invalid for a type index that no type has, so that what is returned has none.
    """
    decoder = _Decoder(bytes(data))
    try:
        return decoder.decode()
    except WasmError as error:
        raise decoder.located(error) from None
