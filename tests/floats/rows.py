"""A module small enough for any board: it applies an instruction to the hard values and gives a hash of the results.

A board's serial line is too slow for the results themselves. What the standard leaves open is settled before the
hash: a NaN that is allowed counts as one fixed NaN. A hash of one result tells whether that one differs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import wasmtime

from tests.floats import ieee, operands
from tests.floats.expressions import BITS, INSTRUCTIONS, MANTISSA, Operation, single, text
from tests.floats.ieee import WORD, Array

LIMIT = 600  # values of each type, at least
_PRIME = 0x9E3779B97F4A7C15  # odd, its bits mixed: 2**64 over the golden ratio
_TURN = 29
# Their results are bits of their operands, NaNs included.
_EXACT = ("abs", "neg", "copysign", "reinterpret_i32", "reinterpret_i64")


def values(t: str, seed: int) -> Array:
    """Some of the hard values, at least LIMIT of them; which changes with the seed."""
    found = operands.hard(t)
    step = max(1, len(found) // LIMIT)
    return found[seed % step :: step]


def _layout(seed: int) -> dict[str, tuple[int, Array]]:
    """Where each type's values lie in linear memory."""
    found, at = {}, 0
    for t in BITS:
        found[t] = (at, values(t, seed))
        at += (found[t][1].nbytes + 7) & ~7
    return found


def _nan_constants(t: str) -> tuple[int, int, int]:
    """Bits without the sign, of infinity, of the canonical NaN."""
    infinite = ((1 << (BITS[t] - 1)) - 1) >> MANTISSA[t] << MANTISSA[t]
    return (1 << (BITS[t] - 1)) - 1, infinite, infinite | 1 << (MANTISSA[t] - 1)


def _noncanonical(name: str, t: str) -> str:
    """Whether the bits in a local are a NaN that is not canonical."""
    if t not in MANTISSA:
        return "(i32.const 0)"
    magnitude, infinite, quiet = _nan_constants(t)
    bits = f"(i64.and (local.get ${name}) (i64.const {magnitude}))"
    return f"(i32.and (i64.gt_u {bits} (i64.const {infinite})) (i64.ne {bits} (i64.const {quiet})))"


def _bits_of(t: str, value: str) -> str:
    """A value as i64."""
    if t in ("f32", "i32"):
        return f"(i64.extend_i32_u {f'(i32.reinterpret_f32 {value})' if t == 'f32' else value})"
    return f"(i64.reinterpret_f64 {value})" if t == "f64" else value


def _settled(operation: Operation) -> str:
    """The result's bits, in $r, an allowed NaN as the canonical one."""
    t, op = operation.result, operation.drawn.partition(".")[2]
    if t not in MANTISSA or op in _EXACT:
        return "(local.get $r)"
    magnitude, _, quiet = _nan_constants(t)
    is_quiet = f"(i64.eq (i64.and (local.get $r) (i64.const {quiet})) (i64.const {quiet}))"
    canonical = f"(i64.eq (i64.and (local.get $r) (i64.const {magnitude})) (i64.const {quiet}))"
    free = _noncanonical("bits_a", operation.params[0])
    if len(operation.params) == 2:
        free = f"(i32.or {free} {_noncanonical('bits_b', operation.params[1])})"
    allowed = f"(i32.or {canonical} (i32.and {free} {is_quiet}))"
    return f"(select (i64.const {quiet}) (local.get $r) {allowed})"


def _load(name: str, t: str) -> str:
    """Set a local to the value at $at, and its bits."""
    kind = f"i{BITS[t]}"
    bits = _bits_of(kind, f"({kind}.load (local.get $at))")
    return f"(local.set ${name} ({t}.load (local.get $at))) (local.set $bits_{name} {bits})"


def _address(t: str, index: str, start: int) -> str:
    return f"(local.set $at (i32.add (i32.const {start}) (i32.mul (local.get ${index}) (i32.const {BITS[t] // 8}))))"


def _function(operation: Operation, layout: dict[str, tuple[int, Array]]) -> str:
    """Export: the hash over results for values `first` and `count` - 1 after it, of a, or of b with the `row`th a."""
    before, inside = [], []
    *row, last = zip("ab", operation.params, strict=False)
    for name, t in row:
        before += [_address(t, "row", layout[t][0]), _load(name, t)]
    inside += [_address(last[1], "first", layout[last[1]][0]), _load(*last)]
    locals_ = " ".join(f"(local ${name} {t})" for name, t in zip("ab", operation.params, strict=False))
    result = _bits_of(operation.result, text(operation.expression))
    mixed = f"(i64.mul (i64.xor (local.get $hash) {_settled(operation)}) (i64.const {_PRIME}))"
    return f"""(func (export "{operation.name}") (param $first i32) (param $count i32) (param $row i32) (result i64)
      {locals_} (local $at i32) (local $bits_a i64) (local $bits_b i64) (local $r i64) (local $hash i64)
      {" ".join(before)}
      (loop $next {" ".join(inside)}
        (local.set $r {result})
        (local.set $hash (i64.rotl {mixed} (i64.const {_TURN})))
        (local.set $first (i32.add (local.get $first) (i32.const 1)))
        (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
      (local.get $hash))"""


def operations() -> list[Operation]:
    return [single(name) for name in INSTRUCTIONS]


def _escaped(data: bytes) -> str:
    """As WebAssembly text has it in quotes."""
    return "".join(f"\\{byte:02x}" for byte in data)


def module(seed: int) -> bytes:
    """WebAssembly with an export for each instruction; its memory ends behind the values."""
    layout = _layout(seed)
    end = max(start + found.nbytes for start, found in layout.values())
    data = "".join(f'(data (i32.const {start}) "{_escaped(found.tobytes())}")' for start, found in layout.values())
    functions = "\n".join(_function(operation, layout) for operation in operations())
    marks = "".join(f'(global (export "{name}") i32 (i32.const {end}))' for name in ("__data_end", "__heap_base"))
    return bytes(wasmtime.wat2wasm(f"(module (memory 1) {marks} {data}\n{functions})"))


def hashes(results: Array) -> Array:
    """Of each row of a matrix of settled bits."""
    hashed = np.zeros(len(results), np.uint64)
    for column in results.T.astype(np.uint64):
        mixed = (hashed ^ column) * np.uint64(_PRIME)
        hashed = mixed << np.uint64(_TURN) | mixed >> np.uint64(64 - _TURN)
    return hashed


def _judged(operation: Operation, given: dict[str, Array]) -> Array:
    expected = ieee.evaluate(operation.expression, given)
    if expected.type not in MANTISSA:
        return expected.bits
    return np.where(
        expected.may_be == ieee.EXACT, expected.bits, WORD[expected.type].type(_nan_constants(expected.type)[2])
    )


def expected(operation: Operation, seed: int) -> Array:
    """The judge's results, settled: a row for each a and a column for each b, or one row."""
    found = [values(t, seed) for t in operation.params]
    if len(found) == 1:
        return _judged(operation, {"a": found[0]})[np.newaxis]
    a, b = found
    given = {"a": np.repeat(a, len(b)), "b": np.tile(b, len(a))}
    return _judged(operation, given).reshape(len(a), len(b))


def trapping(operation: Operation, seed: int) -> Iterator[tuple[int, str]]:
    """For each value of a conversion that traps: its number, and what the trap says or ""."""
    given = values(operation.params[0], seed)
    for i, (fits, nan) in enumerate(
        zip(ieee.fits(operation.drawn, given), ieee.is_nan(operation.params[0], given), strict=True)
    ):
        yield i, "" if fits else "invalid conversion to integer" if nan else "integer overflow"
