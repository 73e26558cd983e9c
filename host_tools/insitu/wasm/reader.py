"""The binary format's primitives and types (sections 5.2 and 5.3 of the standard).

Reads are bounded by the file's end alone: a part that runs past its own end is found out by whoever read its
size, as in the standard's reference interpreter, whose messages these are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from insitu.wasm.errors import Malformed, Unsupported
from insitu.wasm.types import PAGE_LOG2, FuncType, GlobalType, Limits, MemoryType, TableType, ValType

MAX_PARAMS = 1_000  # and results; the same limit as browsers have

_T = TypeVar("_T")
_VALTYPES = {int(t): t for t in ValType}
_V128 = 0x7B
_HAS_MAXIMUM, _SHARED, _HAS_PAGE_SIZE = 1, 2, 8  # flags of limits
# Block types written as one byte.
_SHORT_BLOCKS = {0x40: FuncType((), ())} | {code: FuncType((), (t,)) for code, t in _VALTYPES.items()}


class Reader:
    """A position in a file's bytes.

    Attributes:
        types: the type section's, once it is read; block types refer to it.
        unknown_type: where the first index that no type has stands. It does not stop the reading, since what
            is malformed counts before what is invalid.
    """

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data, self.position = data, position
        self.types: list[FuncType] = []
        self.unknown_type: int | None = None

    @property
    def left(self) -> int:
        return len(self.data) - self.position

    def fail(self, reason: str, at: int | None = None) -> Malformed:
        return Malformed(reason, self.position if at is None else at)

    def ended(self, detail: str) -> Malformed:
        return self.fail(f"unexpected end of section or function: {detail}")

    # --- values ---

    def byte(self) -> int:
        if self.position >= len(self.data):
            raise self.ended("a byte expected")
        value = self.data[self.position]
        self.position += 1
        return value

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise self.ended(f"{count} bytes expected, {self.left} left")
        self.position += count
        return self.data[self.position - count : self.position]

    def _leb128(self, bits: int) -> tuple[int, int, int]:
        """The value without its sign, its width, its last byte; section 5.2.2: at most ceil(bits / 7) bytes."""
        result = shift = 0
        start = self.position
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result, shift, byte
            if shift >= bits:
                raise self.fail("integer representation too long", start)

    def unsigned(self, bits: int = 32) -> int:
        start = self.position
        result, _, _ = self._leb128(bits)
        if result >> bits:
            raise self.fail("integer too large", start)
        return result

    def signed(self, bits: int) -> int:
        start = self.position
        result, width, last = self._leb128(bits)
        if last & 0x40:
            result -= 1 << width
        if not -(1 << (bits - 1)) <= result < 1 << (bits - 1):
            raise self.fail("integer too large", start)
        return result

    def bits(self, count: int) -> int:
        return int.from_bytes(self.take(count // 8), "little")

    def zero(self) -> int:
        value = self.byte()
        if value:
            raise self.fail("zero byte expected", self.position - 1)
        return value

    def name(self) -> str:
        length, at = self.unsigned(), self.position
        if length > self.left:
            raise self.fail(f"length out of bounds: a name of {length} bytes, {self.left} left", at)
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fail("malformed UTF-8 encoding", at + error.start) from None

    def vector(self, item: Callable[[], _T]) -> list[_T]:
        count = self.unsigned()
        if count > self.left:  # every item takes a byte at least; nothing is allocated for a lie
            raise self.ended(f"{count} items expected, {self.left} bytes left")
        return [item() for _ in range(count)]

    # --- types ---

    def valtype(self) -> ValType:
        code = self.byte()
        if code == _V128:
            raise Unsupported("malformed value type: v128 (SIMD) is not supported", self.position - 1)
        if code not in _VALTYPES:
            raise self.fail(f"malformed value type: {code:#04x}", self.position - 1)
        return _VALTYPES[code]

    def reftype(self) -> ValType:
        code = self.byte()
        if code not in (ValType.funcref, ValType.externref):
            raise self.fail(f"malformed reference type: {code:#04x}", self.position - 1)
        return _VALTYPES[code]

    def _functype_part(self, what: str) -> tuple[ValType, ...]:
        at = self.position
        types = self.vector(self.valtype)
        if len(types) > MAX_PARAMS:
            raise Unsupported(f"too many {what}: {len(types)}, the limit is {MAX_PARAMS}", at)
        return tuple(types)

    def functype(self) -> FuncType:
        form = self.byte()
        if form & 0x80:
            raise self.fail("integer representation too long", self.position - 1)
        if form != 0x60:
            raise self.fail(f"malformed functype: form {form:#04x}", self.position - 1)
        return FuncType(self._functype_part("parameters"), self._functype_part("results"))

    def _limits(self, known_flags: int) -> tuple[Limits, int]:
        """Limits, and their flags."""
        flags = self.byte()
        if flags & 0x80:
            raise self.fail("integer representation too long", self.position - 1)
        if flags & ~known_flags:
            proposal = "; 64-bit memories are not supported" if flags < 16 else ""
            raise self.fail(f"integer too large: limits {flags:#04x}{proposal}", self.position - 1)
        bits = 64 if flags & _HAS_PAGE_SIZE else 32
        minimum = self.unsigned(bits)
        return Limits(minimum, self.unsigned(bits) if flags & _HAS_MAXIMUM else None), flags

    def tabletype(self) -> TableType:
        return TableType(self.reftype(), self._limits(_HAS_MAXIMUM)[0])

    def memorytype(self) -> MemoryType:
        limits, flags = self._limits(_HAS_MAXIMUM | _SHARED | _HAS_PAGE_SIZE)
        return MemoryType(limits, bool(flags & _SHARED), self.unsigned() if flags & _HAS_PAGE_SIZE else PAGE_LOG2)

    def globaltype(self) -> GlobalType:
        valtype, mutable = self.valtype(), self.byte()
        if mutable > 1:
            raise self.fail("malformed mutability", self.position - 1)
        return GlobalType(valtype, bool(mutable))

    def type_index(self) -> int:
        at, index = self.position, self.unsigned()
        self._known_type(index, at)
        return index

    def _known_type(self, index: int, at: int) -> bool:
        known = index < len(self.types)
        if not known and self.unknown_type is None:
            self.unknown_type = at
        return known

    def blocktype(self) -> FuncType:
        code, at = self.byte(), self.position - 1
        if code in _SHORT_BLOCKS:
            return _SHORT_BLOCKS[code]
        if code == _V128:
            raise Unsupported("malformed value type: v128 (SIMD) is not supported", at)
        self.position = at
        index = self.signed(33)
        if index < 0:
            raise self.fail("malformed block type", at)
        return self.types[index] if self._known_type(index, at) else _SHORT_BLOCKS[0x40]
