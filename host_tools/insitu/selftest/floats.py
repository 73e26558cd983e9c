"""Float instructions on hard values, against the host's IEEE 754 hardware.

A double of Python's is binary64. An f32 result is the double's rounded once more, which for these operations is the
right one: 53 bits are more than 2 * 24 + 2 (S. Figueroa, When is double rounding innocuous?, SIGNUM 30, 1995).
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable

from insitu.selftest.bench import Bench, Facts, Sample

_PAIRS, _SINGLE = 10, 16  # of each instruction with two operands, and with one
_FORMAT = {32: ("<f", "<I"), 64: ("<d", "<Q")}
_FRACTION = {32: 23, 64: 52}  # bits


def _float(bits: int, width: int) -> float:
    return float(struct.unpack(_FORMAT[width][0], struct.pack(_FORMAT[width][1], bits))[0])


def _bits(value: float, width: int) -> int:
    try:
        packed = struct.pack(_FORMAT[width][0], value)
    except OverflowError:  # Python's word for what rounds to infinity
        packed = struct.pack(_FORMAT[width][0], math.copysign(math.inf, value))
    return int(struct.unpack(_FORMAT[width][1], packed)[0])


def _div(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if not a or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _least(a: float, b: float, sign: float) -> float:
    """min, or with sign -1 max: -0 is less than 0, and any NaN makes one (4.3.3 of the standard)."""
    if math.isnan(a) or math.isnan(b):
        return math.nan
    return min((a, b), key=lambda x: (sign * x, sign * math.copysign(1.0, x)))


def _rounded(to_integer: Callable[[float], int]) -> Callable[[float], float]:
    """An integer of Python's has no -0, no infinity and no NaN."""
    return lambda a: math.copysign(float(to_integer(a)), a) if math.isfinite(a) else a


_BINARY: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _div,
    "min": lambda a, b: _least(a, b, 1.0),
    "max": lambda a, b: _least(a, b, -1.0),
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {"lt": lambda a, b: a < b, "eq": lambda a, b: a == b}
_UNARY: dict[str, Callable[[float], float]] = {
    "sqrt": lambda a: math.sqrt(a) if a >= 0 or math.isnan(a) else math.nan,
    "ceil": _rounded(math.ceil),
    "floor": _rounded(math.floor),
    "trunc": _rounded(math.trunc),
    "nearest": _rounded(round),
}


def _values(width: int) -> list[int]:
    """Bits: zeros, subnormals, one and its neighbour, halves, the largest, infinities, NaNs, quiet and signaling."""
    fraction = _FRACTION[width]
    one, infinity = _bits(1.0, width), _bits(math.inf, width)
    some = random.Random(width)
    hard = [0, 1, 3, (1 << fraction) - 1, 1 << fraction, one, one + 1, infinity - 1, infinity]
    hard += [_bits(value, width) for value in (0.5, 1.5, 2.5, 1e-3, 8388607.5, 3.0)]
    hard += [some.getrandbits(width - 1) % infinity for _ in range(5)]
    return hard + [value | 1 << width - 1 for value in hard] + [infinity | 1, infinity | 1 << fraction - 1]


def _is_quiet_nan(bits: int, width: int) -> bool:
    exponent_and_quiet = _bits(math.inf, width) | 1 << _FRACTION[width] - 1
    return bits & exponent_and_quiet == exponent_and_quiet


class _Float(Sample):
    """Any quiet NaN is as good as another (4.3.3 of the standard)."""

    def same(self, got: int) -> bool:
        return got == self.wanted or (_is_quiet_nan(self.wanted, self.bits) and _is_quiet_nan(got, self.bits))


def _sample(name: str, arguments: tuple[int, ...], value: float, width: int) -> Sample:
    quiet = _bits(math.inf, width) | 1 << _FRACTION[width] - 1
    return _Float(name, arguments, quiet if math.isnan(value) else _bits(value, width), width)


def _conversions() -> list[Sample]:
    """Between the widths, and from integers."""
    doubles, floats = _values(64), _values(32)
    near = [_bits(_float(a, 32) * (1 + 2.0**-24), 64) for a in floats if math.isfinite(_float(a, 32))]  # halfway
    samples = [_sample("f32.demote_f64", (a,), _float(a, 64), 32) for a in doubles + near]
    samples += [_sample("f64.promote_f32", (a,), _float(a, 32), 64) for a in floats]
    whole = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 16777217, 33554435]
    samples += [_sample("f32.convert_i32_s", (a,), float(a - (1 << 32) if a >> 31 else a), 32) for a in whole]
    large = [0, 1, (1 << 53) + 1, (1 << 64) - 1, (1 << 63) + 1025, (1 << 63) + 1024, 0x7FFFFFFFFFFFFDFF]
    return samples + [_sample("f64.convert_i64_u", (a,), float(a), 64) for a in large]


def check(bench: Bench) -> Facts:
    """Some pairs of the values, the same ones every time."""
    samples: list[Sample] = []
    for width in (32, 64):
        values, choose = _values(width), random.Random(width)
        for name in (*_BINARY, *_COMPARE):
            for a, b in [(choose.choice(values), choose.choice(values)) for _ in range(_PAIRS)]:
                given = _float(a, width), _float(b, width)
                if name in _BINARY:
                    samples.append(_sample(f"f{width}.{name}", (a, b), _BINARY[name](*given), width))
                else:
                    samples.append(Sample(f"f{width}.{name}", (a, b), int(_COMPARE[name](*given)), width))
        for name, unary in _UNARY.items():
            chosen = choose.sample(values, _SINGLE)
            samples += [_sample(f"f{width}.{name}", (a,), unary(_float(a, width)), width) for a in chosen]
    return {"samples": bench.compare(samples + _conversions())}
