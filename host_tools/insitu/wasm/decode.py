"""The binary format (chapter 5 of the standard): bytes to a Module. Types are checked in validate.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from insitu.wasm.errors import Malformed, Unsupported, WasmError
from insitu.wasm.module import Data, Element, Export, Expression, Function, Global, Import, Module
from insitu.wasm.opcodes import OPCODES, UNSUPPORTED_PREFIXES
from insitu.wasm.types import FuncType, GlobalType, Limits, MemoryType, TableType, ValType

MAX_LOCALS = 50_000  # a function's; the same limit as browsers have

_T = TypeVar("_T")
_KINDS = ("func", "table", "memory", "global")
_SECTION_NAMES = (
    "custom type import function table memory global export start element code data data_count".split()
)
# The order of sections by id; data count stands between element and code.
_ORDER = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 12: 10, 10: 11, 11: 12}
_VALTYPES = {int(t): t for t in ValType}
_END, _ELSE, _BLOCK_OPENERS = 0x0B, 0x05, (0x02, 0x03, 0x04)


class Reader:
    """A position in the file's bytes, with the end of the part being read."""

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data, self.position, self.end = data, position, len(data) if end is None else end

    def fail(self, reason: str, at: int | None = None) -> Malformed:
        return Malformed(reason, self.position if at is None else at)

    def byte(self) -> int:
        if self.position >= self.end:
            raise self.fail("unexpected end")
        value = self.data[self.position]
        self.position += 1
        return value

    def take(self, count: int) -> bytes:
        if count > self.end - self.position:
            raise self.fail("unexpected end: length out of bounds" if self.end == len(self.data) else "unexpected end")
        taken = self.data[self.position : self.position + count]
        self.position += count
        return taken

    def unsigned(self, bits: int = 32) -> int:
        """LEB128, section 5.2.2: at most ceil(bits / 7) bytes, unused bits 0."""
        result = shift = 0
        start = self.position
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise self.fail("integer representation too long", start)
        if result >> bits:
            raise self.fail("integer too large", start)
        return result

    def signed(self, bits: int) -> int:
        """Signed LEB128: unused bits of the last byte repeat the sign."""
        result = shift = 0
        start = self.position
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise self.fail("integer representation too long", start)
        if byte & 0x40:
            result -= 1 << shift
        if not -(1 << (bits - 1)) <= result < 1 << (bits - 1):
            raise self.fail("integer too large", start)
        return result

    def name(self) -> str:
        length, at = self.unsigned(), self.position
        if length > self.end - self.position:
            raise self.fail("length out of bounds" if self.end < len(self.data) else "unexpected end", at)
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fail("malformed UTF-8 encoding", at + error.start) from None

    def vector(self, item: Callable[[], _T]) -> list[_T]:
        count, at = self.unsigned(), self.position
        if count > self.end - self.position:  # every item takes a byte at least
            raise self.fail(f"unexpected end: {count} items, {self.end - self.position} bytes left", at)
        return [item() for _ in range(count)]

    # --- types ---

    def valtype(self) -> ValType:
        code = self.byte()
        if code not in _VALTYPES:
            if code == 0x7B:
                raise Unsupported("SIMD: v128 is not supported", self.position - 1)
            raise self.fail("malformed value type", self.position - 1)
        return _VALTYPES[code]

    def reftype(self) -> ValType:
        code = self.byte()
        if code not in (0x70, 0x6F):
            raise self.fail("malformed reference type", self.position - 1)
        return _VALTYPES[code]

    def functype(self) -> FuncType:
        form = self.byte()
        if form != 0x60:
            raise self.fail("integer representation too long" if form & 0x80 else "malformed functype: unexpected form",
                            self.position - 1)
        return FuncType(tuple(self.vector(self.valtype)), tuple(self.vector(self.valtype)))

    def limits(self) -> Limits:
        flags, at = self.byte(), self.position - 1
        if flags > 1:
            if flags in (2, 3):
                raise self.fail("integer too large: shared memory (threads) is not supported", at)
            raise self.fail("integer representation too long" if flags & 0x80 else "integer too large", at)
        minimum = self.unsigned()
        return Limits(minimum, self.unsigned() if flags else None)

    def tabletype(self) -> TableType:
        return TableType(self.reftype(), self.limits())

    def memorytype(self) -> MemoryType:
        return MemoryType(self.limits())

    def globaltype(self) -> GlobalType:
        valtype, mutable = self.valtype(), self.byte()
        if mutable > 1:
            raise self.fail("malformed mutability", self.position - 1)
        return GlobalType(valtype, bool(mutable))

    # --- instructions ---

    def blocktype(self, types: list[FuncType]) -> FuncType:
        code, at = self.data[self.position] if self.position < self.end else self.byte(), self.position
        if code == 0x40:
            self.position += 1
            return FuncType((), ())
        if code in _VALTYPES:
            self.position += 1
            return FuncType((), (_VALTYPES[code],))
        if code == 0x7B:
            raise Unsupported("SIMD: v128 is not supported", at)
        index = self.signed(33)
        if index < 0:
            raise self.fail("malformed block type: unexpected end", at)
        if index >= len(types):
            raise WasmErrorAt("unknown type", at)
        return types[index]

    def memarg(self) -> tuple[int, int]:
        at = self.position
        align = self.unsigned()
        if align >= 32:
            raise self.fail("malformed memop flags", at)
        return align, self.unsigned()

    def zero(self) -> int:
        value = self.byte()
        if value:
            raise self.fail("zero byte expected", self.position - 1)
        return value

    def bits(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def data_index(self) -> int:
        return self.unsigned()


def WasmErrorAt(reason: str, at: int) -> WasmError:  # noqa: N802 - reads as a class where it is raised
    from insitu.wasm.errors import Invalid

    return Invalid(reason, at)


def _immediates(r: Reader, types: list[FuncType]) -> dict[str, Callable[[], Any]]:
    """Readers by the immediate's kind in opcodes.py; kinds that read nothing are not in it."""
    return {
        "block": lambda: r.blocktype(types),
        "index": r.unsigned,
        "br_table": lambda: (tuple(r.vector(r.unsigned)), r.unsigned()),
        "call_indirect": lambda: (r.unsigned(), r.unsigned()),
        "types": lambda: tuple(r.vector(r.valtype)),
        "reftype": r.reftype,
        "zero": r.zero,
        "zeros": lambda: (r.zero(), r.zero()),
        "init": lambda: (r.unsigned(), r.zero())[0],
        "pair": lambda: (r.unsigned(), r.unsigned()),
        "memarg": r.memarg,
        "i32": lambda: r.signed(32),
        "i64": lambda: r.signed(64),
        "f32": lambda: r.bits(4),
        "f64": lambda: r.bits(8),
    }


def _expression(r: Reader, types: list[FuncType]) -> Expression:
    """Instructions up to the `end` that closes the expression."""
    immediates, data, out = _immediates(r, types), r.data, []
    depth = 1
    ifs = [False]
    table, append = OPCODES, out.append
    while depth:
        at = r.position
        if at >= r.end:
            raise r.fail("unexpected end: END opcode expected")
        code = data[at]
        r.position = at + 1
        if code >= 0xFB:
            code = _prefixed(r, code, at)
        row = table.get(code)
        if row is None:
            raise r.fail(f"illegal opcode {code:02x}", at)
        kind = row.immediate
        append((code, None if kind == "-" else immediates[kind](), at))
        if code in _BLOCK_OPENERS:
            depth += 1
            ifs.append(code == 0x04)
        elif code == _END:
            depth -= 1
            ifs.pop()
        elif code == _ELSE:
            if not ifs[-1]:
                raise r.fail("else without if: END opcode expected", at)
            ifs[-1] = False
    return out


def _prefixed(r: Reader, prefix: int, at: int) -> int:
    if prefix in UNSUPPORTED_PREFIXES:
        raise Unsupported(f"illegal opcode: {UNSUPPORTED_PREFIXES[prefix]} instructions are not supported", at)
    sub = r.unsigned()
    if prefix != 0xFC or sub > 17:
        raise r.fail(f"illegal opcode {prefix:02x} {sub:02x}", at)
    return 0xFC00 | sub


class _Decoder:
    """Reads sections into a module; one method a section."""

    def __init__(self, data: bytes) -> None:
        self.r = Reader(data)
        self.m = Module()
        self.code_seen = False
        self.code_count = 0

    def decode(self) -> Module:
        r, m = self.r, self.m
        if r.data[:4] != b"\0asm":
            raise r.fail("unexpected end" if b"\0asm".startswith(r.data[:4]) else "magic header not detected", 0)
        if r.data[4:8] != b"\x01\0\0\0":
            raise r.fail("unexpected end" if len(r.data) < 8 else "unknown binary version", 4)
        r.position, last = 8, 0
        while r.position < len(r.data):
            last = self._section(last)
        if len(m.function_types) != self.code_count:
            raise r.fail(
                "function and code section have inconsistent lengths: "
                f"{len(m.function_types)} declared, {self.code_count} with code"
            )
        if m.data_count is not None and m.data_count != len(m.data):
            raise r.fail("data count and data section have inconsistent lengths")
        if m.data_count is None and m.data:
            self._need_data_count()
        _read_names(m)
        return m

    def _need_data_count(self) -> None:
        for index, function in enumerate(self.m.functions):
            for code, _, at in function.body:
                if code in (0xFC08, 0xFC09):
                    raise Malformed("data count section required", at, self.m.imported_function_count + index)

    def _section(self, last: int) -> int:
        r = self.r
        at, section = r.position, r.byte()
        if section > 12:
            raise r.fail(f"malformed section id {section}", at)
        size = r.unsigned()
        if size > len(r.data) - r.position:
            raise r.fail("length out of bounds: unexpected end" if section else "unexpected end", at)
        start, end = r.position, r.position + size
        self.m.sections.append((_SECTION_NAMES[section], start, size))
        r.end = end
        if section == 0:
            name = r.name()
            self.m.customs.append((name, r.data[r.position : end], r.position))
            r.position = end
        else:
            if _ORDER[section] <= last:
                raise r.fail(f"unexpected content after last section: section {section} is out of order", at)
            last = _ORDER[section]
            getattr(self, f"_{_SECTION_NAMES[section]}")()
        if r.position != end:
            raise r.fail("section size mismatch", r.position)
        r.end = len(r.data)
        return last

    def _type(self) -> None:
        self.m.types = self.r.vector(self.r.functype)

    def _import(self) -> None:
        self.m.imports = self.r.vector(self._one_import)

    def _one_import(self) -> Import:
        r = self.r
        module, name, kind = r.name(), r.name(), r.byte()
        if kind > 3:
            raise r.fail("malformed import kind", r.position - 1)
        at = r.position
        desc = (r.unsigned, r.tabletype, r.memorytype, r.globaltype)[kind]()
        if kind == 0 and desc >= len(self.m.types):  # type: ignore[operator]
            raise WasmErrorAt("unknown type", at)
        return Import(module, name, _KINDS[kind], desc)

    def _function(self) -> None:
        self.m.function_types = self.r.vector(self._type_index)

    def _type_index(self) -> int:
        at, index = self.r.position, self.r.unsigned()
        if index >= len(self.m.types):
            raise WasmErrorAt(f"unknown type {index}", at)
        return index

    def _table(self) -> None:
        self.m.tables = self.r.vector(self.r.tabletype)

    def _memory(self) -> None:
        self.m.memories = self.r.vector(self.r.memorytype)

    def _global(self) -> None:
        self.m.globals = self.r.vector(lambda: Global(self.r.globaltype(), self._expr()))

    def _expr(self) -> Expression:
        return _expression(self.r, self.m.types)

    def _export(self) -> None:
        self.m.exports = self.r.vector(self._one_export)

    def _one_export(self) -> Export:
        name, kind = self.r.name(), self.r.byte()
        if kind > 3:
            raise self.r.fail("malformed export kind", self.r.position - 1)
        return Export(name, _KINDS[kind], self.r.unsigned())

    def _start(self) -> None:
        self.m.start = self.r.unsigned()

    def _element(self) -> None:
        self.m.elements = self.r.vector(self._one_element)

    def _one_element(self) -> Element:
        """Section 5.5.12: bit 0 passive or declarative, bit 1 explicit table or declarative, bit 2 expressions."""
        r, at = self.r, self.r.position
        flags = r.unsigned()
        if flags > 7:
            raise r.fail("malformed elements segment kind", at)
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
            raise r.fail("malformed data segment kind", at)
        memory = r.unsigned() if flags == 2 else 0
        offset = [] if flags == 1 else self._expr()
        length = r.unsigned()
        return Data("passive" if flags == 1 else "active", memory, offset, r.take(length), at)

    def _code(self) -> None:
        r = self.r
        count = r.unsigned()
        self.code_count = count
        if count != len(self.m.function_types):
            raise r.fail(
                "function and code section have inconsistent lengths: "
                f"{len(self.m.function_types)} declared, {count} with code"
            )
        section_end = r.end
        for index in range(count):
            size, start = r.unsigned(), r.position
            if size > section_end - start:
                raise r.fail("unexpected end: length out of bounds")
            r.end = start + size
            try:
                self.m.functions.append(self._body(index, start))
            except WasmError as error:
                error_index = self.m.imported_function_count + index
                raise type(error)(error.reason, error.offset, error_index) from None
            if r.position != r.end:
                raise Malformed("section size mismatch: END opcode expected", r.position)
            r.end = section_end

    def _body(self, index: int, start: int) -> Function:
        r = self.r
        groups = r.vector(lambda: (r.unsigned(), r.valtype()))
        total = sum(count for count, _ in groups)
        if total > MAX_LOCALS:
            raise r.fail(f"too many locals: {total}, the limit is {MAX_LOCALS}", start)
        local_types = [valtype for count, valtype in groups for _ in range(count)]
        body = _expression(r, self.m.types)
        return Function(self.m.function_types[index], local_types, body, start)


def _item(expression: Expression) -> Any:
    """An element's constant expression as Element.items has it; validate.py refuses what is none."""
    code, immediate, _ = expression[0]
    if code == 0xD2:
        return immediate
    return ("global", immediate) if code == 0x23 else None


def _read_names(m: Module) -> None:
    """Module and function names of the custom section "name"; a malformed one is ignored (appendix A.3)."""
    for name, data, _ in m.customs:
        if name != "name":
            continue
        r = Reader(data)
        try:
            while r.position < len(data):
                kind, size = r.byte(), r.unsigned()
                end = r.position + size
                if kind == 0:
                    m.name = r.name()
                elif kind == 1:
                    m.function_names = dict(r.vector(lambda: (r.unsigned(), r.name())))
                r.position = end
        except Malformed:
            return


def decode(data: bytes) -> Module:
    """The module in data; raises Malformed, or Unsupported for what later proposals add."""
    return _Decoder(data).decode()
