"""Instructions and expressions of the binary format (section 5.4 of the standard)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from insitu.wasm.errors import Malformed, Unsupported
from insitu.wasm.module import Expression
from insitu.wasm.opcodes import OPCODES, UNSUPPORTED
from insitu.wasm.reader import Reader

_END, _ELSE, _IF = 0x0B, 0x05, 0x04
_OPENERS = (0x02, 0x03, _IF)
_PREFIXES = (0xFC, 0xFE)  # the second: the threads proposal's


def _memarg(r: Reader) -> tuple[int, int]:
    at = r.position
    align = r.unsigned()
    if align >= 32:
        raise r.fail("malformed memop flags", at)
    return align, r.unsigned()


def _segment_of_memory(r: Reader) -> int:
    segment = r.unsigned()
    r.zero()
    return segment


# By the immediate's kind in opcodes.py; "-" reads nothing.
_IMMEDIATES: dict[str, Callable[[Reader], Any]] = {
    "block": Reader.blocktype,
    "index": Reader.unsigned,
    "br_table": lambda r: (tuple(r.vector(r.unsigned)), r.unsigned()),
    "call_indirect": lambda r: (r.type_index(), r.unsigned()),
    "types": lambda r: tuple(r.vector(r.valtype)),
    "reftype": Reader.reftype,
    "zero": Reader.zero,
    "zeros": lambda r: (r.zero(), r.zero()),
    "init": _segment_of_memory,
    "pair": lambda r: (r.unsigned(), r.unsigned()),
    "memarg": _memarg,
    "i32": lambda r: r.signed(32),
    "i64": lambda r: r.signed(64),
    "f32": lambda r: r.bits(32),
    "f64": lambda r: r.bits(64),
}
# Opcodes without an immediate map to None.
_READERS = {code: _IMMEDIATES.get(row.immediate) for code, row in OPCODES.items()}


def read_expression(r: Reader) -> Expression:
    """Instructions up to the `end` that closes the expression, that one included."""
    readers, data, size = _READERS, r.data, len(r.data)
    out: Expression = []
    append = out.append
    opened: list[bool] = []  # for each open block: is it an `if` that may still have its `else`?
    while True:
        at = r.position
        if at >= size:
            raise r.ended("END opcode expected")
        code = data[at]
        r.position = at + 1
        if code not in readers:
            code = _prefixed(r, code, at)
        read = readers[code]
        append((code, read(r) if read else None, at))
        if code == _END:
            if not opened:
                return out
            opened.pop()
        elif code in _OPENERS:
            opened.append(code == _IF)
        elif code == _ELSE:
            if not opened or not opened[-1]:
                raise r.fail("END opcode expected: else without if", at)
            opened[-1] = False


def _prefixed(r: Reader, code: int, at: int) -> int:
    """The whole opcode of one that the first byte does not name."""
    if code in UNSUPPORTED:
        raise Unsupported(f"illegal opcode {code:02x}: {UNSUPPORTED[code]}", at)
    if code not in _PREFIXES:
        raise Malformed(f"illegal opcode {code:02x}", at)
    sub = r.unsigned()
    if sub > 0xFF or code << 8 | sub not in OPCODES:
        raise Malformed(f"illegal opcode {code:02x} {sub:02x}", at)
    return code << 8 | sub
