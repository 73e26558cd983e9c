"""Instructions in forms that a compiler may evaluate, combine or reorder: with constants, and with each other."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial

from tests.floats.expressions import (
    BINARY,
    BITS,
    COMPARISONS,
    INSTRUCTIONS,
    Apply,
    Constant,
    Expression,
    Operand,
    Operation,
    apply,
    traps,
)

_DIADIC = BINARY + COMPARISONS
_FLOATS = ("f32", "f64")
# 0, 1, 2, 1/2, 3, 0.1, the largest power of two, least normal, least subnormal, infinity, NaNs: canonical, with a
# payload, signaling; each with both signs.
_MAGNITUDES = {
    "f32": (
        *(0, 0x3F800000, 0x40000000, 0x3F000000, 0x40400000, 0x3DCCCCCD, 0x7F000000),
        *(0x00800000, 0x00000001, 0x7F800000, 0x7FC00000, 0x7FC01234, 0x7F800001),
    ),
    "f64": (
        *(0, 0x3FF << 52, 0x400 << 52, 0x3FE << 52, 0x4008 << 48, 0x3FB999999999999A, 0x7FE << 52),
        *(1 << 52, 1, 0x7FF << 52, 0x7FF8 << 48, 0x7FF8 << 48 | 0x1234, 0x7FF << 52 | 1),
    ),
}


def constants(t: str) -> list[Constant]:
    return [Constant(t, m | sign) for m in _MAGNITUDES[t] for sign in (0, 1 << (BITS[t] - 1))]


def with_constants(t: str) -> list[Operation]:
    """Every instruction of two operands with one of them constant."""
    found, a = [], Operand("a", t)
    for op in _DIADIC:
        name = f"{t}.{op}"
        for constant in constants(t):
            found.append(Operation(f"{name} a {constant.bits:#x}", apply(name, a, constant), (t,), name))
            found.append(Operation(f"{name} {constant.bits:#x} a", apply(name, constant, a), (t,), name))
    return found


def with_constants_in_locals(t: str) -> list[Operation]:
    """The same, where only the optimiser sees that the operand is constant."""
    found, a = [], Operand("a", t)
    for op in BINARY:
        name = f"{t}.{op}"
        for constant in constants(t):
            held = Constant(t, constant.bits, "held")
            found.append(Operation(f"{name} a local {held.bits:#x}", apply(name, a, held), (t,), name))
            found.append(Operation(f"{name} local {held.bits:#x} a", apply(name, held, a), (t,), name))
    return found


def of_constants(t: str) -> list[Operation]:
    """Instructions of constants alone, which the compiler evaluates."""
    found = []
    for name, (params, _) in INSTRUCTIONS.items():
        if params[0] != t or traps(name):
            continue
        for number, first in enumerate(constants(t)):
            others = constants(t)[number % 13 :: 13] if len(params) == 2 else [None]
            for second in others:
                operands = (first, second) if second else (first,)
                shown = " ".join(f"{x.bits:#x}" for x in operands)
                found.append(Operation(f"{name} {shown}", Apply(name, operands), (), name))
    return found


class _Type:
    """Instructions of a type as functions."""

    def __init__(self, t: str) -> None:
        self._t = t

    def __call__(self, op: str, *operands: Expression | float) -> Apply:
        given = [self.number(x) if isinstance(x, int | float) else x for x in operands]
        return Apply(f"{self._t}.{op}", tuple(given))

    def number(self, value: float) -> Constant:
        kind, word = ("<f", "<I") if self._t == "f32" else ("<d", "<Q")
        return Constant(self._t, struct.unpack(word, struct.pack(kind, value))[0])


def _sums_and_products(f: _Type, a: Operand, b: Operand) -> Iterator[tuple[str, Expression]]:
    product = f("mul", a, b)
    for op in ("add", "sub", "mul", "div"):
        yield op, f(op, f("neg", a), b)
        yield op, f(op, a, f("neg", b))
        yield op, f(op, f("neg", a), f("neg", b))
        yield op, f("neg", f(op, a, b))
        yield op, f("abs", f(op, a, b))
        yield op, f(op, a, a)
    for other in (a, b):  # nothing may be fused
        yield "mul", f("add", product, other)
        yield "mul", f("sub", product, other)
        yield "mul", f("sub", other, product)
        yield "mul", f("neg", f("add", product, other))
    yield "sub", f("add", f("sub", a, b), b)
    yield "add", f("sub", f("add", a, b), b)
    yield "add", f("sub", f("add", a, b), f("add", a, b))
    yield "mul", f("div", product, b)
    yield "div", f("mul", f("div", a, b), b)
    for first, second in ((1, -1), (3, 5), (0.1, 0.2), (-0.0, 0.0)):
        yield "add", f("add", f("add", a, first), second)
    for first, second in ((2, 0.5), (3, 7), (0.1, 10), (-1, -1)):
        yield "mul", f("mul", f("mul", a, first), second)
        yield "div", f("div", f("div", a, first), second)
        yield "div", f("div", f("mul", a, first), second)
    yield "sqrt", f("mul", f("sqrt", a), f("sqrt", a))
    yield "mul", f("sqrt", f("mul", a, a))
    yield "sqrt", f("sqrt", f("abs", a))


def _signs_and_rounding(f: _Type, a: Operand, b: Operand) -> Iterator[tuple[str, Expression]]:
    for outer in ("abs", "neg"):
        for inner in ("abs", "neg"):
            yield "abs", f(outer, f(inner, a))
        yield "copysign", f(outer, f("copysign", a, b))
        yield "copysign", f("copysign", f(outer, a), b)
        yield "copysign", f("copysign", a, f(outer, b))
    yield "copysign", f("copysign", f("copysign", a, b), a)
    yield "copysign", f("copysign", a, a)
    yield "add", f("copysign", f("add", a, b), b)
    for outer in ("ceil", "floor", "trunc", "nearest"):
        for inner in ("ceil", "floor", "trunc", "nearest", "neg", "abs"):
            yield outer, f(outer, f(inner, a))
        yield outer, f("neg", f(outer, f("neg", a)))
        yield outer, f("sub", a, f(outer, a))


def _choices(f: _Type, a: Operand, b: Operand) -> Iterator[tuple[str, Expression]]:
    for op in ("min", "max"):
        other = "max" if op == "min" else "min"
        yield op, f(op, a, a)
        yield op, f(op, f(op, a, b), b)
        yield op, f(op, a, f(other, a, b))
        yield op, f(op, f("neg", a), f("neg", b))
        yield op, f(other, f(op, a, 1), 0)
        yield op, f(op, f(op, a, 1), 2)
        yield op, f("add", f(op, a, b), b)
    for op in COMPARISONS:
        condition = f(op, a, b)
        yield op, apply("select", a, b, condition)
        yield op, apply("select", b, a, condition)
        yield op, apply("select", a, f("neg", a), f(op, a, 0))
        yield op, apply("select", f("neg", a), a, f(op, a, -0.0))
        yield op, apply("select", a, f.number(0), f(op, a, 0))
        yield op, apply("i32.eqz", condition)
        for other in COMPARISONS:
            for joint in ("i32.and", "i32.or"):
                yield op, apply(joint, condition, f(other, a, b))
                yield op, apply(joint, f(op, a, a), f(other, b, b))
        yield op, f(op, f("neg", a), f("neg", b))
        yield op, f(op, f("neg", a), 3)
        yield op, f(op, f("abs", a), 0)
        yield op, f(op, f("sub", a, b), 0)
        yield op, f(op, f("sqrt", a), 2)
        yield op, f(op, f("floor", a), a)


def of_floats(t: str) -> list[Operation]:
    """Instructions of a type that LLVM may combine."""
    f, a, b = _Type(t), Operand("a", t), Operand("b", t)
    groups = (_sums_and_products, _signs_and_rounding, _choices)
    return [
        Operation(f"{t} {number}: {_shown(expression)}", expression, _operands(expression), f"{t}.{drawn}")
        for group in groups
        for number, (drawn, expression) in enumerate(group(f, a, b))
    ]


def _shown(expression: Expression) -> str:
    if isinstance(expression, Operand):
        return expression.name
    if isinstance(expression, Constant):
        return f"{expression.bits:#x}"
    return f"{expression.instruction}({', '.join(map(_shown, expression.operands))})"


def _wider() -> Iterator[tuple[str, str, Expression]]:
    """f32 computed in f64, which LLVM may narrow, and back."""
    f, d, a, b = _Type("f32"), _Type("f64"), Operand("a", "f32"), Operand("b", "f32")
    wide_a, wide_b = d("promote_f32", a), d("promote_f32", b)
    for op in ("add", "sub", "mul", "div", "min", "max"):
        yield "f32", op, f("demote_f64", d(op, wide_a, wide_b))
        yield "f32", op, d(op, wide_a, wide_b)
        yield "f32", op, d("promote_f32", f(op, a, b))
        yield "f32", op, f("demote_f64", d(op, wide_a, 0.1))
    for op in ("sqrt", "floor", "ceil", "trunc", "nearest", "abs", "neg"):
        yield "f32", op, f("demote_f64", d(op, wide_a))
        yield "f32", op, d("promote_f32", f(op, a))
    for op in COMPARISONS:
        yield "f32", op, d(op, wide_a, wide_b)
        yield "f32", op, d(op, wide_a, 0.1)
        yield "f32", op, d(op, wide_a, 0.5)
    yield "f32", "abs", f("demote_f64", wide_a)
    x = Operand("a", "f64")
    yield "f64", "abs", d("promote_f32", f("demote_f64", x))
    yield "f64", "abs", f("demote_f64", d("promote_f32", f("demote_f64", x)))
    for t, of in (("f32", "i32"), ("f64", "i64")):
        y = Operand("a", t)
        for op in ("abs", "neg"):
            yield t, op, Apply(f"{of}.reinterpret_{t}", (_Type(t)(op, y),))
        yield t, "abs", Apply(f"{t}.reinterpret_{of}", (Apply(f"{of}.reinterpret_{t}", (y,)),))


def _integers(t: str, i: str) -> Iterator[tuple[str, str, Expression]]:
    """Integers converted to t and back, summed and compared as floats."""
    f, a, b = _Type(t), Operand("a", i), Operand("b", i)
    for sign in "su":
        first, second = f(f"convert_{i}_{sign}", a), f(f"convert_{i}_{sign}", b)
        for op in ("add", "sub", "mul", "div", "copysign", *COMPARISONS):
            yield i, op, f(op, first, second)
        for op in ("floor", "nearest", "sqrt", "abs", "neg"):
            yield i, op, f(op, first)
        for op in COMPARISONS:
            for number in (0, 0.5, -1, 16777217, 2147483647, 2.0**32, -2147483649, 1e30):
                yield i, op, f(op, first, number)
        for back in "su":
            yield i, "back", Apply(f"{i}.trunc_sat_{t}_{back}", (first,))
        other = "f64" if t == "f32" else "f32"
        change = "f64.promote_f32" if t == "f32" else "f32.demote_f64"
        yield i, "change", Apply(change, (first,))
        yield i, "other", _Type(other)("add", Apply(change, (first,)), Apply(change, (second,)))


def _to_integers(t: str, i: str) -> Iterator[tuple[str, str, Expression]]:
    f, a = _Type(t), Operand("a", t)
    for sign in "su":
        name = f"{i}.trunc_sat_{t}_{sign}"
        for op in ("floor", "ceil", "trunc", "nearest", "abs", "neg", "sqrt"):
            yield t, name, Apply(name, (f(op, a),))
        yield t, name, f(f"convert_{i}_{sign}", Apply(name, (a,)))
        if t == "f32":
            yield t, name, Apply(f"{i}.trunc_sat_f64_{sign}", (Apply("f64.promote_f32", (a,)),))


def of_conversions() -> list[Operation]:
    """Conversions that LLVM may combine with each other and with what is around them."""
    found = [*_wider()]
    for t in _FLOATS:
        for i in ("i32", "i64"):
            found += [*_integers(t, i), *_to_integers(t, i)]
    operations = []
    for number, (source, op, expression) in enumerate(found):
        drawn = op if "." in op else f"{source}.{op}"
        if source in ("i32", "i64"):
            drawn = f"f64.convert_{source}_s"
        name = f"conversion {number}: {_shown(expression)}"
        operations.append(Operation(name, expression, _operands(expression), drawn))
    return operations


def _operands(expression: Expression) -> tuple[str, ...]:
    """Types of the operands that occur; b only with a."""
    found: dict[str, str] = {}
    _collect(expression, found)
    return tuple(found[name] for name in sorted(found))


def _collect(expression: Expression, found: dict[str, str]) -> None:
    if isinstance(expression, Operand):
        found[expression.name] = expression.type
    elif isinstance(expression, Apply):
        for operand in expression.operands:
            _collect(operand, found)


# Each group is one module.
GROUPS: dict[str, Callable[[], list[Operation]]] = {
    f"{t}, {name}": partial(make, t)
    for t in _FLOATS
    for name, make in (
        ("one constant", with_constants),
        ("one constant in a local", with_constants_in_locals),
        ("constants only", of_constants),
        ("combined", of_floats),
    )
} | {"conversions, combined": of_conversions}
