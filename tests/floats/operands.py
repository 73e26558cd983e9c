"""Operands: hard values of each type, and random ones placed where an instruction can go wrong."""

from __future__ import annotations

import functools
from itertools import product

import numpy as np

from tests.floats import ieee
from tests.floats.expressions import BIAS, BITS, EXPONENTS, INSTRUCTIONS, MANTISSA, Operation
from tests.floats.ieee import WORD, Array

_OTHER = {"f32": "f64", "f64": "f32"}


def _exponents(t: str) -> list[int]:
    """Biased: both ends, around one, where the last bits become worth 1/2 and 1, and where integers end."""
    bias, mantissa, most = BIAS[t], MANTISSA[t], EXPONENTS[t] - 1
    found = {0, 1, 2, 3, mantissa, mantissa + 1, mantissa + 2, bias // 2, bias + bias // 2}
    found |= {bias + n for n in (-2, -1, 0, 1, 2, 31, 32, 63, 64)}
    found |= {bias + mantissa + n for n in (-1, 0, 1, 2)} | {bias - mantissa + n for n in (-2, -1, 0)}
    found |= {most - mantissa, most - 1, most}
    if t == "f64":  # f32's ends
        found |= {bias - 127 + n for n in (-24, -23, -22, -1, 0, 1)} | {bias + 127, bias + 128}
    return sorted(e for e in found if 0 <= e <= most)


def _mantissas(t: str) -> list[int]:
    width = MANTISSA[t]
    full, half = (1 << width) - 1, 1 << (width - 1)
    found = {0, 1, 2, half - 1, half, half + 1, full - 1, full, full // 3}
    if t == "f64":  # halfway between two of f32, and the neighbours
        found |= {(1 << 28) - 1, 1 << 28, (1 << 28) + 1, 3 << 28, full - (1 << 28), full - (1 << 28) + 1}
    else:
        found |= {1 << 10, (1 << 11) - 1, 1 << 11, (1 << 12) + 1, full - (1 << 11)}
    return sorted(found)


def _hard_floats(t: str) -> list[int]:
    width, sign = MANTISSA[t], 1 << (BITS[t] - 1)
    magnitudes = [e << width | m for e, m in product(_exponents(t), _mantissas(t))]
    special = EXPONENTS[t] << width
    quiet = 1 << (width - 1)
    payloads = (0, quiet, quiet | 1, quiet | 0x1234, (1 << width) - 1, 1, 2, quiet - 1, quiet >> 1, 0x5A5A)
    magnitudes += [special | payload for payload in payloads]
    whole = [n + d for n in (1 << 31, 1 << 32, 1 << 63, 1 << 64) for d in (-1.0, -0.5, 0.5, 1.0)]
    magnitudes += np.array(whole, np.dtype(f"f{BITS[t] // 8}")).view(WORD[t]).tolist()
    magnitudes += [1 << n for n in range(width)]  # subnormal powers of two
    return [m | s for m in magnitudes for s in (0, sign)]


def _hard_integers(t: str) -> list[int]:
    width, limit = BITS[t], 1 << BITS[t]
    found = {0, limit - 1}
    for n in range(width):
        for power in (1 << n, 3 << n):
            found |= {power + d for d in (-2, -1, 0, 1, 2)}
    for mantissa in (23, 52):  # halfway between two floats, and the neighbours
        for n in range(1, width - mantissa):
            for head in ((1 << mantissa) | 0, (1 << mantissa) | 1, (2 << mantissa) - 1):
                found |= {(head << n) + (1 << (n - 1)) + d for d in (-1, 0, 1)}
    return sorted({n % limit for n in found} | {-n % limit for n in found})


@functools.cache
def hard(t: str) -> Array:
    """Bits of at least 600 values, each once."""
    values = _hard_floats(t) if t in MANTISSA else _hard_integers(t)
    return np.array(sorted(set(values)), WORD[t])


def _word(rng: np.random.Generator, t: str, count: int) -> Array:
    return rng.integers(0, 1 << BITS[t], count, WORD[t], endpoint=False) if BITS[t] < 64 else _words(rng, count)


def _words(rng: np.random.Generator, count: int) -> Array:
    return np.frombuffer(rng.bytes(8 * count), np.uint64).copy()


def _mantissa(rng: np.random.Generator, t: str, count: int) -> Array:
    """Half of them random, the others runs of zeros and ones with a bit turned: near powers of two, and halfway."""
    width, word = MANTISSA[t], WORD[t].type
    mask = word((1 << width) - 1)
    any_bits = _word(rng, t, count) & mask
    start = rng.integers(0, width, count).astype(WORD[t])
    run = (mask << start) & mask
    run ^= np.where(rng.random(count) < 0.5, word(1) << rng.integers(0, width, count).astype(WORD[t]), word(0))
    run ^= np.where(rng.random(count) < 0.5, mask, word(0))
    return np.where(rng.random(count) < 0.5, any_bits, run)


def _build(rng: np.random.Generator, t: str, exponents: Array) -> Array:
    """Floats of these biased exponents, cut to the type's range; their signs and mantissas random."""
    count = len(exponents)
    clipped = np.clip(exponents, 0, EXPONENTS[t] - 1).astype(WORD[t])
    signs = rng.integers(0, 2, count).astype(WORD[t]) << WORD[t].type(BITS[t] - 1)
    return signs | clipped << WORD[t].type(MANTISSA[t]) | _mantissa(rng, t, count)


def _spread(rng: np.random.Generator, t: str, count: int, low: int, high: int) -> Array:
    """Floats whose exponents are from low to high (unbiased), inclusive."""
    return _build(rng, t, rng.integers(low, high + 1, count) + BIAS[t])


def _neighbours(rng: np.random.Generator, t: str, values: Array) -> Array:
    """Values at most two steps away, sometimes with the other sign."""
    steps = rng.integers(-2, 3, len(values)).astype(WORD[t])
    flips = (rng.random(len(values)) < 0.2).astype(WORD[t]) << WORD[t].type(BITS[t] - 1)
    return (values + steps) ^ flips


def _second(rng: np.random.Generator, op: str, t: str, a: Array) -> Array:
    """Second operands for which the result is hard: near a for sums, at the range's ends for products."""
    exponent = (a >> WORD[t].type(MANTISSA[t])).astype(np.int64) & EXPONENTS[t]
    width, bias, most, count = MANTISSA[t], BIAS[t], EXPONENTS[t], len(a)
    near = rng.integers(-width - 3, width + 4, count)
    tiny = rng.integers(-width - 3, 4, count)  # the result's biased exponent
    end = np.where(rng.random(count) < 0.75, tiny, most + rng.integers(-3, 3, count))
    if op == "mul":
        return _build(rng, t, end - exponent + bias)
    if op == "div":
        return _build(rng, t, exponent - end + bias)
    if op in ("add", "sub"):
        return np.where(rng.random(count) < 0.1, _neighbours(rng, t, a), _build(rng, t, exponent + near))
    return _neighbours(rng, t, a)


def _integers(rng: np.random.Generator, t: str, count: int) -> Array:
    """Integers of every length; many halfway between two floats."""
    width, word = BITS[t], WORD[t].type
    values = _word(rng, t, count) >> rng.integers(0, width, count).astype(WORD[t])
    for mantissa in (23, 52):
        length = np.maximum(rng.integers(mantissa + 2, max(width, mantissa + 3), count), 1)
        halfway = word(1) << np.clip(length - mantissa - 1, 0, width - 1).astype(WORD[t])
        lower = (halfway << word(1)) - word(1)
        step = rng.integers(-1, 2, count).astype(WORD[t])
        values = np.where(rng.random(count) < 0.25, (values & ~lower) + halfway + step, values)
    return np.where(rng.random(count) < 0.3, word(0) - values, values)


def _first(rng: np.random.Generator, instruction: str, count: int) -> Array:
    (t, *_), result = INSTRUCTIONS[instruction]
    op = instruction.partition(".")[2]
    if t not in MANTISSA:
        return _integers(rng, t, count)
    if op == "demote_f64":
        values = _spread(rng, t, count, -127 - 26, 129)
        halfway = WORD[t].type(1 << 28)  # of f32's last bit, one up, one down, and exactly
        tail = halfway + rng.integers(-1, 2, count).astype(WORD[t])
        return np.where(
            rng.random(count) < 0.5, (values & ~((halfway << WORD[t].type(1)) - WORD[t].type(1))) | tail, values
        )
    if op in ("ceil", "floor", "trunc", "nearest"):
        return _spread(rng, t, count, -3, MANTISSA[t] + 2)
    if op == "sqrt":
        half = _spread(rng, t, count, -BIAS[t] // 2, BIAS[t] // 2) & ~WORD[t].type((1 << (MANTISSA[t] // 2 + 1)) - 1)
        square = np.multiply(ieee.floats(t, half), ieee.floats(t, half)).view(WORD[t])
        return np.where(rng.random(count) < 0.5, _neighbours(rng, t, square), _word(rng, t, count) >> WORD[t].type(1))
    if result in ("i32", "i64") and "trunc" in op:
        return _spread(rng, t, count, -3, BITS[result] + 2)
    return _spread(rng, t, count, -BIAS[t] - 1, BIAS[t] + 1)


def random(operation: Operation, rng: np.random.Generator, count: int) -> dict[str, Array]:
    """Operands a and b: a quarter any bits at all, the others where the instruction is hard."""
    if not operation.params:
        return {}
    t = operation.params[0]
    anything = rng.random(count) < 0.25
    with np.errstate(all="ignore"):
        a = np.where(anything, _word(rng, t, count), _first(rng, operation.drawn, count))
        given = {"a": a}
        if len(operation.params) == 2:
            op = operation.drawn.partition(".")[2]
            second = _second(rng, op, t, a) if t in MANTISSA else _integers(rng, t, count)
            given["b"] = np.where(anything, _word(rng, t, count), second)
    return given


def pairs(operation: Operation) -> dict[str, Array]:
    """All hard values, or all pairs of them."""
    values = [hard(t) for t in operation.params]
    if len(values) < 2:
        return dict(zip("a", values, strict=False))
    a, b = values
    return {"a": np.repeat(a, len(b)), "b": np.tile(b, len(a))}


def fits(operation: Operation, given: dict[str, Array]) -> Array:
    """Where a conversion that may trap does not."""
    return ieee.fits(operation.drawn, given["a"])
