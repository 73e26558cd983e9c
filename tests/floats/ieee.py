"""The judge: the standard's float instructions computed by the host's hardware, through numpy.

Bit patterns go in and come out. NaNs never depend on what the hardware makes of them: whether a result is a NaN
comes from the hardware, which NaNs are allowed from the standard (WebAssembly 2.0, 4.3.3, NaN propagation): any
arithmetic one, or only a canonical one if all NaNs among the operands are canonical.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.floats.expressions import (
    BINARY,
    BITS,
    COMPARISONS,
    INSTRUCTIONS,
    JOINTS,
    UNARY,
    Apply,
    Constant,
    Expression,
    Operand,
)

Array = np.ndarray[Any, Any]
# What a result may be: its bits, a canonical NaN of either sign, an arithmetic NaN.
EXACT, CANONICAL, ARITHMETIC = 0, 1, 2

WORD = {t: np.dtype(f"uint{bits}") for t, bits in BITS.items()}
_FLOAT = {"f32": np.float32, "f64": np.float64}
_SIGN = {t: WORD[t].type(1 << (bits - 1)) for t, bits in BITS.items()}
_QUIET_NAN = {"f32": np.uint32(0x7FC00000), "f64": np.uint64(0x7FF8000000000000)}
_INFINITE = {"f32": np.uint32(0x7F800000), "f64": np.uint64(0x7FF0000000000000)}


@dataclass(frozen=True, slots=True)
class Values:
    """Bits of one type, and what each may be instead: EXACT, CANONICAL, ARITHMETIC."""

    type: str
    bits: Array
    may_be: Array


def exact(t: str, bits: Array) -> Values:
    return Values(t, bits.astype(WORD[t], copy=False), np.zeros(bits.shape, np.uint8))


def is_nan(t: str, bits: Array) -> Array:
    return (bits & ~_SIGN[t]) > _INFINITE[t]


def allowed(expected: Values, bits: Array) -> Array:
    """Where bits are what the standard allows."""
    ok = bits == expected.bits
    if expected.type in _FLOAT:
        quiet = _QUIET_NAN[expected.type]
        canonical = (bits & ~_SIGN[expected.type]) == quiet
        arithmetic = (bits & quiet) == quiet
        ok = np.where(expected.may_be == CANONICAL, canonical, np.where(expected.may_be == ARITHMETIC, arithmetic, ok))
    return ok


def floats(t: str, bits: Array) -> Array:
    return bits.view(_FLOAT[t])


def _bits(t: str, values: Array) -> Array:
    return np.ascontiguousarray(values).view(WORD[t])


def _minimum(t: str, a: Array, b: Array, *, maximum: bool) -> Array:
    x, y = floats(t, a), floats(t, b)
    chosen = np.where((x > y) if maximum else (x < y), a, b)
    return np.where(x == y, (a & b) if maximum else (a | b), chosen)


_COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "gt": np.greater,
    "le": np.less_equal,
    "ge": np.greater_equal,
}
_JOIN: dict[str, Callable[..., Array]] = {
    "eqz": lambda a: a == 0,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
}
_COMPUTE: dict[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "ceil": np.ceil,
    "floor": np.floor,
    "trunc": np.trunc,
    "nearest": np.rint,
    "sqrt": np.sqrt,
}


def _computed(instruction: str, operands: list[Array]) -> Array:
    """The bits of a result that is not a NaN; a NaN where there is one."""
    t, _, op = instruction.partition(".")
    if op in ("min", "max"):
        a, b = operands
        nan = is_nan(t, a) | is_nan(t, b)
        return np.where(nan, _QUIET_NAN[t], _minimum(t, a, b, maximum=op == "max"))
    if op == "demote_f64":
        return _bits(t, floats("f64", operands[0]).astype(np.float32))
    if op == "promote_f32":
        return _bits(t, floats("f32", operands[0]).astype(np.float64))
    return _bits(t, _COMPUTE[op](*(floats(t, x) for x in operands)))


def _arithmetic(instruction: str, operands: list[Values]) -> Values:
    result = INSTRUCTIONS[instruction][1]
    bits = _computed(instruction, [x.bits for x in operands])
    nan = is_nan(result, bits)
    free = np.zeros(bits.shape, bool)  # an operand that is a NaN, and not canonical
    for x in operands:
        canonical = (x.may_be == CANONICAL) | ((x.may_be == EXACT) & ((x.bits & ~_SIGN[x.type]) == _QUIET_NAN[x.type]))
        free |= is_nan(x.type, x.bits) & ~canonical
    return Values(result, bits, np.where(nan, np.where(free, ARITHMETIC, CANONICAL), EXACT).astype(np.uint8))


def _signed(op: str, operands: list[Values]) -> Values:
    x = operands[0]
    sign = _SIGN[x.type]
    if op == "abs":
        bits = x.bits & ~sign
    elif op == "neg":
        bits = x.bits ^ sign
    else:
        _must_be_exact(operands[1])
        bits = (x.bits & ~sign) | (operands[1].bits & sign)
    return Values(x.type, bits, x.may_be)


def _must_be_exact(x: Values) -> None:
    if x.may_be.any():
        raise ValueError("the bits of a NaN that an operation has made are not told: such expressions have no judge")


def _range(result: str, signed: bool) -> tuple[float, float]:
    """What fits: numbers from the first up to, and without, the second."""
    bits = BITS[result]
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if signed else (0.0, 2.0**bits)


def fits(instruction: str, bits: Array) -> Array:
    """Where a conversion to an integer has a result; elsewhere it traps or saturates."""
    (source,), result = INSTRUCTIONS[instruction]
    low, high = _range(result, instruction.endswith("_s"))
    with np.errstate(invalid="ignore"):
        whole = np.trunc(floats(source, bits))
    return (whole >= low) & (whole < high)


def _truncated(instruction: str, x: Values) -> Values:
    (source,), result = INSTRUCTIONS[instruction]
    signed = instruction.endswith("_s")
    low, high = _range(result, signed)
    ok = fits(instruction, x.bits)
    whole = np.where(ok, np.trunc(floats(source, x.bits)), 0)
    kind = np.dtype(f"{'int' if signed else 'uint'}{BITS[result]}")
    bits = whole.astype(kind).view(WORD[result])
    most = np.array([int(high) - 1], object).astype(WORD[result])[0]
    least = np.array([int(low) % (1 << BITS[result])], object).astype(WORD[result])[0]
    value = floats(source, x.bits)
    bits = np.where(ok, bits, np.where(value >= high, most, np.where(value < low, least, WORD[result].type(0))))
    return exact(result, bits)


def _converted(instruction: str, x: Values) -> Values:
    (source,), result = INSTRUCTIONS[instruction]
    kind = np.dtype(f"{'int' if instruction.endswith('_s') else 'uint'}{BITS[source]}")
    return exact(result, _bits(result, x.bits.view(kind).astype(_FLOAT[result])))


def _select(operands: list[Values]) -> Values:
    x, y, condition = operands
    first = condition.bits != 0
    return Values(x.type, np.where(first, x.bits, y.bits), np.where(first, x.may_be, y.may_be))


def _applied(instruction: str, operands: list[Values]) -> Values:
    t, _, op = instruction.partition(".")
    if instruction == "select":
        return _select(operands)
    if op in ("abs", "neg", "copysign"):
        return _signed(op, operands)
    if instruction in JOINTS:
        return exact("i32", _JOIN[op](*(x.bits for x in operands)))
    if op in COMPARISONS:
        a, b = (floats(t, x.bits) for x in operands)
        return exact("i32", _COMPARE[op](a, b))
    if op in BINARY or op in UNARY or op in ("demote_f64", "promote_f32"):
        return _arithmetic(instruction, operands)
    if op.startswith("reinterpret"):
        _must_be_exact(operands[0])
        return exact(t, operands[0].bits)
    return _truncated(instruction, operands[0]) if op.startswith("trunc") else _converted(instruction, operands[0])


def evaluate(expression: Expression, operands: dict[str, Array]) -> Values:
    """What the expression gives for arrays of operands' bits. A conversion that would trap gives no telling value."""
    if isinstance(expression, Operand):
        return exact(expression.type, operands[expression.name])
    if isinstance(expression, Constant):
        count = len(operands["a"]) if operands else 1
        return exact(expression.type, np.full(count, expression.bits, WORD[expression.type]))
    assert isinstance(expression, Apply)
    given = [evaluate(operand, operands) for operand in expression.operands]
    with np.errstate(all="ignore"):
        return _applied(expression.instruction, given)
