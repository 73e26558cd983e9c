"""Loops that are written twice (versions.py): traps come where they came, memory before is the same.

wasmtime is the oracle. The memory is of whole pages, whose end is one byte exactly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import product

import pytest
import wasmtime
from insitu.port.errors import Trap

from tests.port.conftest import Device

PAGE = 65536
# Of n turns each: what is read at p and what is written at q change by as much a turn as is said here.
LOOP = """(func (export "{name}") (param $p i32) (param $q i32) (param $n i32) (result i32) (local $sum i32)
  (loop $l
    (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 3)) (i32.load16_u offset=2 (local.get $p))))
    (i32.store8 (local.get $q) (local.get $sum))
    (local.set $p (i32.add (local.get $p) (i32.const {read})))
    (local.set $q (i32.add (local.get $q) (i32.const {written})))
    (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))"""
# Addresses made of the number of the turn, which goes up from 0, and a way out by what is there.
INDEXED = """(func (export "indexed") (param $p i32) (param $q i32) (param $n i32) (result i32) (local $i i32)
  (loop $l
    (i32.store8 (i32.add (local.get $q) (i32.mul (local.get $i) (i32.const -3)))
      (i32.load8_u (i32.add (local.get $p) (i32.shl (local.get $i) (i32.const 3)))))
    (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $i))"""
STEPS = ((1, 1), (4, -4), (-2, 8), (0, 1), (1 << 31, -1))
FUNCTIONS = INDEXED + "".join(
    LOOP.format(name=f"f{i}", read=read, written=written) for i, (read, written) in enumerate(STEPS)
)
FIXED = f"""(module (memory (export "memory") 1) {FUNCTIONS})"""
GROWING = f"""(module (memory (export "memory") 1 2) {FUNCTIONS}
  (func (export "grow") (result i32) (memory.grow (i32.const 1))))"""
# Addresses in the middle, at either end and behind it, and such that sums pass by 2^32; turns, so that they end inside,
# at the end, and so many that what they change by is more than 2^32.
STARTS = ((0, 0), (100, 40000), (PAGE - 4, 9), (PAGE - 44, PAGE - 11), (17, PAGE - 1), (PAGE - 3, 5), (-8, 3), (8, -8))
TURNS = (1, 5, 11, 12, 1 << 16, (1 << 30) + 2, 0)


def _outcome(call: Callable[..., int], *arguments: int) -> int | str:
    try:
        return call(*arguments) & 0xFFFFFFFF
    except (Trap, wasmtime.Trap):
        return "trap"


@pytest.mark.parametrize("text", [FIXED, GROWING])
def test_outcome_and_memory_are_wasmtime_s(text: str, make_device: Callable[[int], Device]) -> None:
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, text), []).exports(store)
    memory: wasmtime.Memory = exports["memory"]  # type: ignore[assignment]
    instance = make_device(200_000).instantiate(text, stack_size=1024)
    fill = bytes(range(1, 252)) * (PAGE // 251 + 1)
    outcomes = set()
    names = ("indexed", *(f"f{i}" for i in range(len(STEPS))))
    for name, start, turns in product(names, STARTS, TURNS):
        memory.write(store, fill[:PAGE], 0)
        instance.memory.write(0, fill[:PAGE])
        function: wasmtime.Func = exports[name]  # type: ignore[assignment]
        wanted = _outcome(functools.partial(function, store), *start, turns)
        assert _outcome(getattr(instance.exports, name), *start, turns) == wanted, (name, start, turns)
        assert instance.memory.read(0, PAGE) == memory.read(store, 0, PAGE), (name, start, turns)
        outcomes.add(wanted == "trap")
    assert outcomes == {True, False}


def test_a_loop_that_stays_inside_checks_nothing(make_device: Callable[[int], Device]) -> None:
    """Of as many turns, those that end in a trap take two comparisons and two branches each that others do not."""
    device = make_device(200_000)
    exports = device.instantiate(FIXED, stack_size=1024).exports
    executed = []
    for start in (PAGE - 1004, PAGE - 1003):
        with device.cpu.counting() as counter:
            _outcome(exports.f0, start, 0, 1001)
        executed.append(counter.instructions)
    assert executed[1] - executed[0] > 1000 * 2
