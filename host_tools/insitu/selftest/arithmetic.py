"""Every integer instruction on hard values, against Python's integers."""

from __future__ import annotations

import random
from collections.abc import Callable

from insitu.selftest.bench import Bench, Facts, Failed, Sample

_PAIRS = 6  # of each instruction


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _quotient(a: int, b: int) -> int:
    """Towards zero (section 4.3.2 of the standard, idiv_s)."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


# Of unsigned a and b and the number of bits; the result is taken modulo 2^bits.
_BINARY: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda a, b, n: a + b,
    "sub": lambda a, b, n: a - b,
    "mul": lambda a, b, n: a * b,
    "div_s": lambda a, b, n: _quotient(_signed(a, n), _signed(b, n)),
    "div_u": lambda a, b, n: a // b,
    "rem_s": lambda a, b, n: _signed(a, n) - _signed(b, n) * _quotient(_signed(a, n), _signed(b, n)),
    "rem_u": lambda a, b, n: a % b,
    "xor": lambda a, b, n: a ^ b,
    "shl": lambda a, b, n: a << b % n,
    "shr_s": lambda a, b, n: _signed(a, n) >> b % n,
    "shr_u": lambda a, b, n: a >> b % n,
    "rotl": lambda a, b, n: a << b % n | a >> n - b % n,
    "lt_s": lambda a, b, n: _signed(a, n) < _signed(b, n),
    "lt_u": lambda a, b, n: a < b,
}
_UNARY: dict[str, Callable[[int, int], int]] = {
    "clz": lambda a, n: n - a.bit_length(),
    "ctz": lambda a, n: (a & -a).bit_length() - 1 if a else n,
    "popcnt": lambda a, n: a.bit_count(),
}


def _values(bits: int) -> list[int]:
    top = 1 << bits - 1
    some = random.Random(bits).getrandbits
    return [0, 1, 2, 7, 31, 0x8000, 0xFFFF, top - 1, top, top + 1, 2 * top - 2, 2 * top - 1, some(bits), some(bits)]


def _traps(name: str, a: int, b: int, bits: int) -> bool:
    """Division by zero, and the quotient that is too large; see traps.py."""
    return name[:3] in ("div", "rem") and (not b or (name == "div_s" and a == 1 << bits - 1 and b == (1 << bits) - 1))


def _through_python(bench: Bench) -> int:
    """A value goes in as any of Python's integers that means it, and comes out signed."""
    samples = 0
    for bits in (32, 64):
        values = _values(bits)
        name, given = f"i{bits}.xor", [*dict.fromkeys([*values, *(_signed(value, bits) for value in values)])]
        found = bench.value(f"[getattr(inst.exports, {name!r})(a, 0) for a in {given!r}]")
        for value, got in zip(given, found, strict=True):
            if got != _signed(value % (1 << bits), bits):
                raise Failed(f"{name}({value}, 0) gave Python {got}")
        samples += len(given)
    return samples


def check(bench: Bench) -> Facts:
    """Some pairs of the values, the same ones every time."""
    samples: list[Sample] = []
    for bits in (32, 64):
        values, choose = _values(bits), random.Random(bits)
        for name, binary in _BINARY.items():
            pairs = [(choose.choice(values), choose.choice(values)) for _ in range(_PAIRS)]
            samples += [
                Sample(f"i{bits}.{name}", (a, b), binary(a, b, bits) % (1 << bits), bits)
                for a, b in pairs
                if not _traps(name, a, b, bits)
            ]
        for name, unary in _UNARY.items():
            samples += [Sample(f"i{bits}.{name}", (a,), unary(a, bits), bits) for a in values]
    return {"samples": bench.compare(samples) + _through_python(bench)}
