"""Float instructions and expressions of them, as trees that the judges evaluate and as WebAssembly text."""

from __future__ import annotations

import struct
from dataclasses import dataclass

UNARY = ("abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt")
BINARY = ("add", "sub", "mul", "div", "min", "max", "copysign")
COMPARISONS = ("eq", "ne", "lt", "gt", "le", "ge")
BITS = {"i32": 32, "i64": 64, "f32": 32, "f64": 64}
MANTISSA = {"f32": 23, "f64": 52}
EXPONENTS = {"f32": 255, "f64": 2047}  # all bits of the exponent set
BIAS = {"f32": 127, "f64": 1023}


def _instructions() -> dict[str, tuple[tuple[str, ...], str]]:
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for t in ("f32", "f64"):
        found |= {f"{t}.{op}": ((t,), t) for op in UNARY}
        found |= {f"{t}.{op}": ((t, t), t) for op in BINARY}
        found |= {f"{t}.{op}": ((t, t), "i32") for op in COMPARISONS}
        for i in ("i32", "i64"):
            for sign in "su":
                found[f"{i}.trunc_{t}_{sign}"] = found[f"{i}.trunc_sat_{t}_{sign}"] = ((t,), i)
                found[f"{t}.convert_{i}_{sign}"] = ((i,), t)
    for t, i in (("f32", "i32"), ("f64", "i64")):
        found[f"{t}.reinterpret_{i}"], found[f"{i}.reinterpret_{t}"] = ((i,), t), ((t,), i)
    found["f32.demote_f64"], found["f64.promote_f32"] = (("f64",), "f32"), (("f32",), "f64")
    return found


# Instruction to its operands' types and its result's.
INSTRUCTIONS = _instructions()
# Integer instructions that join comparisons in expressions.
JOINTS = {"i32.eqz": (("i32",), "i32"), "i32.and": (("i32", "i32"), "i32"), "i32.or": (("i32", "i32"), "i32")}


@dataclass(frozen=True, slots=True)
class Operand:
    """A parameter: a or b."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant, as its bits; with `local`, what a local of that name holds while the loop runs."""

    type: str
    bits: int
    local: str = ""


@dataclass(frozen=True, slots=True)
class Apply:
    """An instruction on operands; select's are the two values and the condition."""

    instruction: str
    operands: tuple[Expression, ...]

    @property
    def type(self) -> str:
        if self.instruction == "select":
            return self.operands[0].type
        return (INSTRUCTIONS | JOINTS)[self.instruction][1]


Expression = Operand | Constant | Apply


def apply(instruction: str, *operands: Expression) -> Apply:
    return Apply(instruction, operands)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a compiled function does with its operands.

    Attributes:
        drawn: the instruction whose cases random operands are drawn for.
    """

    name: str
    expression: Expression
    params: tuple[str, ...]
    drawn: str

    @property
    def result(self) -> str:
        return self.expression.type

    @property
    def traps(self) -> bool:
        return traps(self.drawn)


def traps(instruction: str) -> bool:
    """Whether it is a conversion that traps."""
    return ".trunc_f" in instruction


def single(instruction: str) -> Operation:
    """One instruction on its own."""
    params = INSTRUCTIONS[instruction][0]
    operands = tuple(Operand(name, t) for name, t in zip("ab", params, strict=False))
    return Operation(instruction, Apply(instruction, operands), params, instruction)


def constant_text(constant: Constant) -> str:
    """WebAssembly text of a constant, payloads included."""
    t, bits = constant.type, constant.bits
    if t in ("i32", "i64"):
        return f"({t}.const {bits})"
    sign = "-" if bits >> (BITS[t] - 1) else ""
    mantissa = bits & ((1 << MANTISSA[t]) - 1)
    if bits >> MANTISSA[t] & EXPONENTS[t] == EXPONENTS[t]:
        return f"({t}.const {sign}{f'nan:{mantissa:#x}' if mantissa else 'inf'})"
    magnitude = bits & ((1 << (BITS[t] - 1)) - 1)
    if t == "f32":
        value = struct.unpack("<f", struct.pack("<I", magnitude))[0]
    else:
        value = struct.unpack("<d", struct.pack("<Q", magnitude))[0]
    return f"({t}.const {sign}{value.hex()})"


def text(expression: Expression) -> str:
    """WebAssembly text of an expression over the locals $a and $b."""
    if isinstance(expression, Operand):
        return f"(local.get ${expression.name})"
    if isinstance(expression, Constant):
        return f"(local.get ${expression.local})" if expression.local else constant_text(expression)
    return f"({expression.instruction} {' '.join(map(text, expression.operands))})"


def held(expression: Expression) -> list[Constant]:
    """The constants in it that are locals."""
    if isinstance(expression, Constant):
        return [expression] if expression.local else []
    if isinstance(expression, Operand):
        return []
    return [constant for operand in expression.operands for constant in held(operand)]
