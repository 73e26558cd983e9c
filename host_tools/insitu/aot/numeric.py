"""Numeric instructions: WebAssembly 2.0, section 4.3, as LLVM IR.

Simple ones are rows of a table; those that LLVM has no exact twin for are functions.
Division, remainder and conversions that trap are in traps.py's company: they need control flow and are here
as emit_* functions that take the function under construction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from insitu.aot.ranges import Ranges
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.function import FunctionBuilder

I32, I64, F32, F64 = "i32", "i64", "float", "double"
Emit = Callable[["FunctionBuilder"], None]

_SUFFIX = {I32: "i32", I64: "i64", F32: "f32", F64: "f64"}
_BITS = {I32: 32, I64: 64, F32: 32, F64: 64}
INTEGER_OF = {F32: I32, F64: I64}


def _saturating(signed: str, source: str, result: str) -> str:
    """The helper's name, of helpers/trunc_sat.c."""
    return f"@insitu_{_SUFFIX[result]}_trunc_sat_{_SUFFIX[source]}_{signed}"


# Intrinsics and helpers that the code here names; declared once a module.
DECLARATIONS = "\n".join(
    [f"declare {t} @llvm.{op}.{t}({t}, i1)" for t in (I32, I64) for op in ("ctlz", "cttz")]
    + [f"declare {t} @llvm.ctpop.{t}({t})" for t in (I32, I64)]
    + [f"declare {t} @llvm.{op}.{t}({t}, {t}, {t})" for t in (I32, I64) for op in ("fshl", "fshr")]
    + [
        f"declare {t} @llvm.{op}.{s}({t})"
        for t, s in ((F32, "f32"), (F64, "f64"))
        for op in ("fabs", "sqrt", "floor", "ceil", "trunc", "arithmetic.fence")
    ]
    + [f"declare {t} @llvm.copysign.{s}({t}, {t})" for t, s in ((F32, "f32"), (F64, "f64"))]
    + [
        f"declare {i} @llvm.fpto{u}i.sat.{i}.{s}({f})"
        for i in (I32, I64)
        for f, s in ((F32, "f32"), (F64, "f64"))
        for u in "su"
    ]
    + [
        f"declare {i} {_saturating(u, f, i)}({INTEGER_OF[f]}) nounwind willreturn memory(none)"
        for i in (I32, I64)
        for f in (F32, F64)
        for u in "su"
    ]
)


def _binary(op: str, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        b, a = f.pop(), f.pop()
        f.push(t, f.value(f"{op} {t} {a}, {b}"))

    return emit


def _noted(emit: Emit, note: Callable[[Ranges, str, str, str], None]) -> Emit:
    """Of an i32 instruction with two operands: what its result is, to who asks for its range."""

    def noted(f: FunctionBuilder) -> None:
        (_, a), (_, b) = f.stack[-2:]
        emit(f)
        note(f.ranges, f.stack[-1][1], a, b)

    return noted


def _compare(op: str, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        b, a = f.pop(), f.pop()
        f.push_condition(f.value(f"{op} {t} {a}, {b}"))

    return emit


def _eqz(t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        f.push_condition(f.value(f"icmp eq {t} {f.pop()}, 0"))

    return emit


def _count(op: str, t: str) -> Emit:
    zero_is_poison = "" if op == "ctpop" else ", i1 false"

    def emit(f: FunctionBuilder) -> None:
        f.push(t, f.value(f"call {t} @llvm.{op}.{t}({t} {f.pop()}{zero_is_poison})"))

    return emit


def _shift(op: str, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        count, a = f.pop(), f.pop()
        most = _BITS[t] - 1
        masked = f.value(f"and {t} {count}, {most}") if count.startswith("%") else str(int(count) & most)
        f.push(t, f.value(f"{op} {t} {a}, {masked}"))

    return emit


def _rotate(op: str, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        count, a = f.pop(), f.pop()
        f.push(t, f.value(f"call {t} @llvm.{op}.{t}({t} {a}, {t} {a}, {t} {count})"))

    return emit


def _convert(op: str, source: str, result: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        f.push(result, f.value(f"{op} {source} {f.pop()} to {result}"))

    return emit


def _extend(bits: int, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        narrow = f.value(f"trunc {t} {f.pop()} to i{bits}")
        f.push(t, f.value(f"sext i{bits} {narrow} to {t}"))

    return emit


def _saturate(signed: str, source: str, result: str) -> Emit:
    instruction = f"@llvm.fpto{signed}i.sat.{result}.{_SUFFIX[source]}"
    helper, bits = _saturating(signed, source, result), INTEGER_OF[source]

    def emit(f: FunctionBuilder) -> None:
        a = f.pop()
        if result == I32 and f.plan.target.has_floats(source):
            f.push(result, f.value(f"call {result} {instruction}({source} {a})"))
        else:
            given = f.value(f"bitcast {source} {a} to {bits}")
            f.push(result, f.value(f"call {result} {helper}({bits} {given})"))

    return emit


# The operands, by position, for which LLVM drops an operation where it comes to know that they are 0, 1 or -1:
# x + -0, x - 0, -0 - x (as a change of sign), x * 1, x * -1, x / 1, x / -1. A signaling NaN would stay signaling.
_FENCED = {"fadd": (0, 1), "fsub": (0, 1), "fmul": (0, 1), "fdiv": (1,)}
# Bits of a double without its sign; another constant needs no fence: x / 65536 may become a product.
_DROPPED = (0, 0x3FF << 52)


def _fence(f: FunctionBuilder, t: str, value: str) -> str:
    """The value, of which LLVM knows nothing from here on. It costs no instruction."""
    return f.value(f"call {t} @llvm.arithmetic.fence.{_SUFFIX[t]}({t} {value})")


def _harmless(value: str) -> bool:
    """Whether it is a literal for which LLVM does not drop an operation."""
    return value.startswith("0x") and int(value, 16) & (1 << 63) - 1 not in _DROPPED


def _arithmetic(f: FunctionBuilder, op: str, t: str, *operands: str) -> str:
    given = [
        _fence(f, t, value) if i in _FENCED[op] and not _harmless(value) else value for i, value in enumerate(operands)
    ]
    return f.value(f"{op} {t} {', '.join(given)}")


def _float_binary(op: str, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        b, a = f.pop(), f.pop()
        f.push(t, _arithmetic(f, op, t, a, b))

    return emit


def _demote(f: FunctionBuilder) -> None:
    f.push(F32, f.value(f"fptrunc double {_fence(f, F64, f.pop())} to float"))


def _promote(f: FunctionBuilder) -> None:
    f.push(F64, f.value(f"fpext float {_fence(f, F32, f.pop())} to double"))


def _quiet_if_nan(f: FunctionBuilder, t: str, operand: str, result: str) -> str:
    """result, or operand made quiet where it is a NaN: library functions hand NaNs back as they are."""
    quiet = f.value(f"fadd {t} {operand}, {operand}")
    nan = f.value(f"fcmp uno {t} {operand}, {operand}")
    return f.value(f"select i1 {nan}, {t} {quiet}, {t} {result}")


def _round(op: str, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        a = f.pop()
        rounded = f.value(f"call {t} @llvm.{op}.{_SUFFIX[t]}({t} {a})")
        f.push(t, _quiet_if_nan(f, t, a, rounded))

    return emit


def _sqrt(t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        a = f.pop()
        root = f.value(f"call {t} @llvm.sqrt.{_SUFFIX[t]}({t} {a})")
        f.push(t, _quiet_if_nan(f, t, a, root))

    return emit


def _nearest(t: str) -> Emit:
    """Ties to even by adding and taking away 2**(mantissa bits), where the last bit is worth one."""
    one = {F32: "0x4160000000000000", F64: "0x4330000000000000"}[t]  # 2**23, 2**52

    def emit(f: FunctionBuilder) -> None:
        a, s = f.pop(), _SUFFIX[t]
        magnitude = f.value(f"call {t} @llvm.fabs.{s}({t} {a})")
        up = f.value(f"fadd {t} {magnitude}, {one}")
        down = f.value(f"fsub {t} {up}, {one}")
        signed = f.value(f"call {t} @llvm.copysign.{s}({t} {down}, {t} {a})")
        small = f.value(f"fcmp olt {t} {magnitude}, {one}")
        rounded = f.value(f"select i1 {small}, {t} {signed}, {t} {a}")
        f.push(t, _quiet_if_nan(f, t, a, rounded))

    return emit


def _minimum(t: str, less: str, zeros: str) -> Emit:
    """min (less olt, zeros or) and max (ogt, and): of -0 and +0 the signs decide, a NaN wins."""
    i = INTEGER_OF[t]

    def emit(f: FunctionBuilder) -> None:
        b, a = f.pop(), f.pop()
        first = f.value(f"fcmp {less} {t} {a}, {b}")
        chosen = f.value(f"select i1 {first}, {t} {a}, {t} {b}")
        bits_a = f.value(f"bitcast {t} {a} to {i}")
        bits_b = f.value(f"bitcast {t} {b} to {i}")
        merged = f.value(f"{zeros} {i} {bits_a}, {bits_b}")
        both = f.value(f"bitcast {i} {merged} to {t}")
        equal = f.value(f"fcmp oeq {t} {a}, {b}")
        ordered = f.value(f"select i1 {equal}, {t} {both}, {t} {chosen}")
        nan = f.value(f"fcmp uno {t} {a}, {b}")
        quiet = _arithmetic(f, "fadd", t, a, b)
        f.push(t, f.value(f"select i1 {nan}, {t} {quiet}, {t} {ordered}"))

    return emit


def _sign(op: str, t: str) -> Emit:
    """abs and copysign as the standard's bit operations, which leave NaN payloads alone."""

    def emit(f: FunctionBuilder) -> None:
        if op == "fabs":
            f.push(t, f.value(f"call {t} @llvm.fabs.{_SUFFIX[t]}({t} {f.pop()})"))
        else:
            b, a = f.pop(), f.pop()
            f.push(t, f.value(f"call {t} @llvm.copysign.{_SUFFIX[t]}({t} {a}, {t} {b})"))

    return emit


def _negate(t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        f.push(t, f.value(f"fneg {t} {f.pop()}"))

    return emit


def _divide(op: str, t: str) -> Emit:
    minimum = -(1 << (_BITS[t] - 1))

    def emit(f: FunctionBuilder) -> None:
        b, a = f.pop(), f.pop()
        f.trap_if(f.value(f"icmp eq {t} {b}, 0"), layout.TRAP_INTEGER_DIVIDE_BY_ZERO)
        if op == "sdiv":
            lowest = f.value(f"icmp eq {t} {a}, {minimum}")
            negated = f.value(f"icmp eq {t} {b}, -1")
            f.trap_if(f.value(f"and i1 {lowest}, {negated}"), layout.TRAP_INTEGER_OVERFLOW)
        f.push(t, f.value(f"{op} {t} {a}, {b}"))

    return emit


def _remainder(op: str, t: str) -> Emit:
    def emit(f: FunctionBuilder) -> None:
        b, a = f.pop(), f.pop()
        f.trap_if(f.value(f"icmp eq {t} {b}, 0"), layout.TRAP_INTEGER_DIVIDE_BY_ZERO)
        if op == "srem":  # x rem -1 is 0, also of the lowest x, where LLVM's srem is undefined
            negated = f.value(f"icmp eq {t} {b}, -1")
            b = f.value(f"select i1 {negated}, {t} 1, {t} {b}")
        f.push(t, f.value(f"{op} {t} {a}, {b}"))

    return emit


# Lowest (exclusive, or inclusive where marked) and highest (exclusive) argument of a trapping conversion.
_TRUNCATION_RANGE = {
    (F32, I32, "s"): ("oge", -2147483648.0, 2147483648.0),
    (F64, I32, "s"): ("ogt", -2147483649.0, 2147483648.0),
    (F32, I64, "s"): ("oge", -9223372036854775808.0, 9223372036854775808.0),
    (F64, I64, "s"): ("oge", -9223372036854775808.0, 9223372036854775808.0),
    (F32, I32, "u"): ("ogt", -1.0, 4294967296.0),
    (F64, I32, "u"): ("ogt", -1.0, 4294967296.0),
    (F32, I64, "u"): ("ogt", -1.0, 18446744073709551616.0),
    (F64, I64, "u"): ("ogt", -1.0, 18446744073709551616.0),
}


def _truncate(signed: str, source: str, result: str) -> Emit:
    lowest, low, high = _TRUNCATION_RANGE[source, result, signed]

    def emit(f: FunctionBuilder) -> None:
        a = f.pop()
        above = f.value(f"fcmp {lowest} {source} {a}, {float_literal(low)}")
        below = f.value(f"fcmp olt {source} {a}, {float_literal(high)}")
        f.branch_unless(f.value(f"and i1 {above}, {below}"), "conversion")
        nan = f.value(f"fcmp uno {source} {a}, {a}")
        f.trap_if(nan, layout.TRAP_INVALID_CONVERSION)
        f.trap_always(layout.TRAP_INTEGER_OVERFLOW)
        f.resume()
        f.push(result, f.value(f"fpto{signed}i {source} {a} to {result}"))

    return emit


def float_literal(value: float) -> str:
    """LLVM's text of a float or double constant that is not a NaN: the bits of the double."""
    import struct

    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def _integer_rows(t: str) -> dict[str, Emit]:
    n = _SUFFIX[t]
    rows = {f"{n}.{op}": _binary(op, t) for op in ("add", "sub", "mul", "and", "or", "xor")}
    rows |= {f"{n}.eq": _compare("icmp eq", t), f"{n}.ne": _compare("icmp ne", t), f"{n}.eqz": _eqz(t)}
    for op in ("lt", "gt", "le", "ge"):
        rows[f"{n}.{op}_s"] = _compare(f"icmp s{op}", t)
        rows[f"{n}.{op}_u"] = _compare(f"icmp u{op}", t)
    rows |= {f"{n}.clz": _count("ctlz", t), f"{n}.ctz": _count("cttz", t), f"{n}.popcnt": _count("ctpop", t)}
    rows |= {f"{n}.shl": _shift("shl", t), f"{n}.shr_s": _shift("ashr", t), f"{n}.shr_u": _shift("lshr", t)}
    rows |= {f"{n}.rotl": _rotate("fshl", t), f"{n}.rotr": _rotate("fshr", t)}
    rows |= {f"{n}.div_s": _divide("sdiv", t), f"{n}.div_u": _divide("udiv", t)}
    rows |= {f"{n}.rem_s": _remainder("srem", t), f"{n}.rem_u": _remainder("urem", t)}
    rows |= {f"{n}.extend8_s": _extend(8, t), f"{n}.extend16_s": _extend(16, t)}
    return rows


def _float_rows(t: str) -> dict[str, Emit]:
    n = _SUFFIX[t]
    rows = {f"{n}.{op}": _float_binary(f"f{op}", t) for op in ("add", "sub", "mul", "div")}
    for op, ir in (("eq", "oeq"), ("ne", "une"), ("lt", "olt"), ("gt", "ogt"), ("le", "ole"), ("ge", "oge")):
        rows[f"{n}.{op}"] = _compare(f"fcmp {ir}", t)
    rows |= {f"{n}.{op}": _round(op, t) for op in ("floor", "ceil", "trunc")}
    rows |= {f"{n}.abs": _sign("fabs", t), f"{n}.copysign": _sign("copysign", t), f"{n}.neg": _negate(t)}
    rows |= {f"{n}.sqrt": _sqrt(t), f"{n}.nearest": _nearest(t)}
    rows |= {f"{n}.min": _minimum(t, "olt", "or"), f"{n}.max": _minimum(t, "ogt", "and")}
    return rows


def _conversion_rows() -> dict[str, Emit]:
    rows: dict[str, Emit] = {}
    for i in (I32, I64):
        for f in (F32, F64):
            for u in "su":
                rows[f"{_SUFFIX[i]}.trunc_{_SUFFIX[f]}_{u}"] = _truncate(u, f, i)
                rows[f"{_SUFFIX[i]}.trunc_sat_{_SUFFIX[f]}_{u}"] = _saturate(u, f, i)
                rows[f"{_SUFFIX[f]}.convert_{_SUFFIX[i]}_{u}"] = _convert(f"{u}itofp", i, f)
    for f, i in INTEGER_OF.items():
        rows[f"{_SUFFIX[i]}.reinterpret_{_SUFFIX[f]}"] = _convert("bitcast", f, i)
        rows[f"{_SUFFIX[f]}.reinterpret_{_SUFFIX[i]}"] = _convert("bitcast", i, f)
    rows |= {"i32.wrap_i64": _convert("trunc", I64, I32), "i64.extend32_s": _extend(32, I64)}
    rows |= {
        "i64.extend_i32_s": _convert("sext", I32, I64),
        "i64.extend_i32_u": _convert("zext", I32, I64),
    }
    rows |= {"f32.demote_f64": _demote, "f64.promote_f32": _promote}
    return rows


# Instruction name to emitter.
_ROWS = _integer_rows(I32) | _integer_rows(I64) | _float_rows(F32) | _float_rows(F64) | _conversion_rows()
_NOTED = {"i32.add": Ranges.note_sum, "i32.sub": Ranges.note_difference, "i32.shl": Ranges.note_shifted}
NUMERIC: dict[str, Emit] = _ROWS | {name: _noted(_ROWS[name], note) for name, note in _NOTED.items()}
