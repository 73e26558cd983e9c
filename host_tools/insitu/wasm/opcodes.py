"""Instructions: one row each (sections 3.3 and 5.4 of the standard).

A row is the opcode, the name, the immediate's kind, and for instructions of a fixed type the operands and
results as letters (i i32, I i64, f f32, F f64). Those without letters have a rule of their own in validate.py.
Opcodes with the prefix 0xFC are 0xFC00 | sub-opcode, those of the threads proposal 0xFE00 | sub-opcode.
"""

from __future__ import annotations

from dataclasses import dataclass

from insitu.wasm.types import ValType

_LETTERS = {"i": ValType.i32, "I": ValType.i64, "f": ValType.f32, "F": ValType.f64}


@dataclass(frozen=True, slots=True)
class Opcode:
    """Attributes: immediate is a kind that expressions.py reads; width, of a memory access, is in bytes."""

    code: int
    name: str
    immediate: str
    params: tuple[ValType, ...] | None
    results: tuple[ValType, ...] | None
    width: int = 0


def _types(letters: str) -> tuple[ValType, ...]:
    return tuple(_LETTERS[letter] for letter in letters)


_SPECIAL = """
00 unreachable -; 01 nop -; 02 block block; 03 loop block; 04 if block; 05 else -; 0b end -
0c br index; 0d br_if index; 0e br_table br_table; 0f return -; 10 call index; 11 call_indirect call_indirect
1a drop -; 1b select -; 1c select_t types
20 local.get index; 21 local.set index; 22 local.tee index; 23 global.get index; 24 global.set index
25 table.get index; 26 table.set index; d0 ref.null reftype; d1 ref.is_null -; d2 ref.func index
3f memory.size zero; 40 memory.grow zero
fc08 memory.init init; fc09 data.drop index; fc0a memory.copy zeros; fc0b memory.fill zero
fc0c table.init pair; fc0d elem.drop index; fc0e table.copy pair; fc0f table.grow index
fc10 table.size index; fc11 table.fill index
fe03 atomic.fence zero
"""

_ACCESSES = """
28 i32.load i:i 4; 29 i64.load i:I 8; 2a f32.load i:f 4; 2b f64.load i:F 8
2c i32.load8_s i:i 1; 2d i32.load8_u i:i 1; 2e i32.load16_s i:i 2; 2f i32.load16_u i:i 2
30 i64.load8_s i:I 1; 31 i64.load8_u i:I 1; 32 i64.load16_s i:I 2; 33 i64.load16_u i:I 2
34 i64.load32_s i:I 4; 35 i64.load32_u i:I 4
36 i32.store ii: 4; 37 i64.store iI: 8; 38 f32.store if: 4; 39 f64.store iF: 8
3a i32.store8 ii: 1; 3b i32.store16 ii: 2; 3c i64.store8 iI: 1; 3d i64.store16 iI: 2; 3e i64.store32 iI: 4
"""

_WAITING = """
fe00 memory.atomic.notify ii:i 4; fe01 memory.atomic.wait32 iiI:i 4; fe02 memory.atomic.wait64 iII:i 8
"""
# What the threads proposal has each of its instructions for, in the order of their opcodes: type, and bytes in memory.
ATOMIC_WIDTHS = (("i32", 4), ("i64", 8), ("i32", 1), ("i32", 2), ("i64", 1), ("i64", 2), ("i64", 4))
_ATOMIC = ("load", "store", "rmw.add", "rmw.sub", "rmw.and", "rmw.or", "rmw.xor", "rmw.xchg", "rmw.cmpxchg")
_FIRST_ATOMIC = 0xFE10

_INTEGER_COMPARISONS = ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]
_FLOAT_COMPARISONS = ["eq", "ne", "lt", "gt", "le", "ge"]
_INTEGER_UNARY = ["clz", "ctz", "popcnt"]
_INTEGER_BINARY = [
    "add",
    "sub",
    "mul",
    "div_s",
    "div_u",
    "rem_s",
    "rem_u",
    "and",
    "or",
    "xor",
    "shl",
    "shr_s",
    "shr_u",
    "rotl",
    "rotr",
]
_FLOAT_UNARY = ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"]
_FLOAT_BINARY = ["add", "sub", "mul", "div", "min", "max", "copysign"]
_CONVERSIONS = """
i32.wrap_i64 I:i; i32.trunc_f32_s f:i; i32.trunc_f32_u f:i; i32.trunc_f64_s F:i; i32.trunc_f64_u F:i
i64.extend_i32_s i:I; i64.extend_i32_u i:I
i64.trunc_f32_s f:I; i64.trunc_f32_u f:I; i64.trunc_f64_s F:I; i64.trunc_f64_u F:I
f32.convert_i32_s i:f; f32.convert_i32_u i:f; f32.convert_i64_s I:f; f32.convert_i64_u I:f; f32.demote_f64 F:f
f64.convert_i32_s i:F; f64.convert_i32_u i:F; f64.convert_i64_s I:F; f64.convert_i64_u I:F; f64.promote_f32 f:F
i32.reinterpret_f32 f:i; i64.reinterpret_f64 F:I; f32.reinterpret_i32 i:f; f64.reinterpret_i64 I:F
i32.extend8_s i:i; i32.extend16_s i:i; i64.extend8_s I:I; i64.extend16_s I:I; i64.extend32_s I:I
"""
_SATURATING = """
i32.trunc_sat_f32_s f:i; i32.trunc_sat_f32_u f:i; i32.trunc_sat_f64_s F:i; i32.trunc_sat_f64_u F:i
i64.trunc_sat_f32_s f:I; i64.trunc_sat_f32_u f:I; i64.trunc_sat_f64_s F:I; i64.trunc_sat_f64_u F:I
"""


def _rows(text: str) -> list[list[str]]:
    return [row.split() for row in text.replace("\n", ";").split(";") if row.strip()]


def _simple(code: int, name: str, signature: str, immediate: str = "-", width: int = 0) -> Opcode:
    params, results = signature.split(":")
    return Opcode(code, name, immediate, _types(params), _types(results), width)


def atomic_name(t: str, width: int, operation: str) -> str:
    """The name of the atomic instruction that does an operation, "rmw.add", on width bytes as values of the type t."""
    if width == int(t[1:]) // 8:
        return f"{t}.atomic.{operation}"
    first, _, second = operation.partition(".")
    narrow = f"{t}.atomic.{first}{8 * width}" + (f".{second}" if second else "")
    return narrow if operation == "store" else f"{narrow}_u"


def _atomic() -> list[Opcode]:
    rows = [_simple(int(c, 16), n, s, "memarg", int(w)) for c, n, s, w in _rows(_WAITING)]
    code = _FIRST_ATOMIC
    for operation in _ATOMIC:
        for t, width in ATOMIC_WIDTHS:
            value = "i" if t == "i32" else "I"
            params = {"load": "i", "rmw.cmpxchg": f"i{value}{value}"}.get(operation, f"i{value}")
            results = "" if operation == "store" else value
            rows.append(_simple(code, atomic_name(t, width, operation), f"{params}:{results}", "memarg", width))
            code += 1
    return rows


def _numeric() -> list[tuple[str, str]]:
    """Opcodes 0x45 to 0xC4 in order: comparisons, then arithmetic, then conversions."""
    rows: list[tuple[str, str]] = []
    for t, letter in (("i32", "i"), ("i64", "I")):
        rows.append((f"{t}.eqz", f"{letter}:i"))
        rows += [(f"{t}.{op}", f"{letter}{letter}:i") for op in _INTEGER_COMPARISONS]
    for t, letter in (("f32", "f"), ("f64", "F")):
        rows += [(f"{t}.{op}", f"{letter}{letter}:i") for op in _FLOAT_COMPARISONS]
    for t, letter in (("i32", "i"), ("i64", "I")):
        rows += [(f"{t}.{op}", f"{letter}:{letter}") for op in _INTEGER_UNARY]
        rows += [(f"{t}.{op}", f"{letter}{letter}:{letter}") for op in _INTEGER_BINARY]
    for t, letter in (("f32", "f"), ("f64", "F")):
        rows += [(f"{t}.{op}", f"{letter}:{letter}") for op in _FLOAT_UNARY]
        rows += [(f"{t}.{op}", f"{letter}{letter}:{letter}") for op in _FLOAT_BINARY]
    return rows + [(name, signature) for name, signature in _rows(_CONVERSIONS)]


def _table() -> dict[int, Opcode]:
    rows = [Opcode(int(c, 16), name, immediate, None, None) for c, name, immediate in _rows(_SPECIAL)]
    rows += [_simple(int(c, 16), n, s, "memarg", int(w)) for c, n, s, w in _rows(_ACCESSES)]
    rows += [
        _simple(0x41 + i, f"{t}.const", f":{letter}", f"{t}")
        for i, (t, letter) in enumerate((("i32", "i"), ("i64", "I"), ("f32", "f"), ("f64", "F")))
    ]
    rows += [_simple(0x45 + i, name, signature) for i, (name, signature) in enumerate(_numeric())]
    rows += [_simple(0xFC00 + i, name, signature) for i, (name, signature) in enumerate(_rows(_SATURATING))]
    return {row.code: row for row in rows + _atomic()}


OPCODES = _table()
_CODES = {row.name: row.code for row in OPCODES.values()}


def is_atomic(code: int) -> bool:
    """Whether an opcode is the threads proposal's."""
    return code >> 8 == 0xFE


def codes(*names: str) -> tuple[int, ...]:
    """The opcodes of instructions by name."""
    return tuple(_CODES[name] for name in names)


# First bytes of later proposals' instructions, refused by name, with what to do where a compiler has a switch.
UNSUPPORTED = {
    0x06: "exceptions are not supported",
    0x07: "exceptions are not supported",
    0x08: "exceptions are not supported",
    0x09: "exceptions are not supported",
    0x0A: "exceptions are not supported",
    0x12: "tail calls are not supported; clang: -mno-tail-call",
    0x13: "tail calls are not supported; clang: -mno-tail-call",
    0x14: "typed function references are not supported",
    0x15: "typed function references are not supported",
    0x18: "exceptions are not supported",
    0x19: "exceptions are not supported",
    0x1F: "exceptions are not supported",
    0xD3: "typed function references are not supported",
    0xD4: "typed function references are not supported",
    0xD5: "typed function references are not supported",
    0xD6: "typed function references are not supported",
    0xFB: "garbage collection is not supported",
    0xFD: "SIMD is not supported; clang: -mno-simd128",
}
