"""Checks that others imply are left out, loops are written out: traps come where they came, memory before is the same.

wasmtime is the oracle. The memory is of whole pages, whose end is one byte exactly.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import wasmtime
from insitu.port.errors import Trap

from tests.port.conftest import Device

PAGE = 65536

SCAN = """(func (export "scan") (param $p i32) (param i32) (result i32)
  (loop $l (local.set $p (i32.add (local.get $p) (i32.const 1)))
    (br_if $l (i32.load8_u (i32.sub (local.get $p) (i32.const 1)))))
  (local.get $p))"""
COPY = """(func (export "copy") (param $p i32) (param $to i32) (result i32) (local $c i32)
  (loop $l
    (i32.store8 (local.get $to) (local.tee $c (i32.load8_u (local.get $p))))
    (local.set $p (i32.add (local.get $p) (i32.const 1)))
    (local.set $to (i32.add (local.get $to) (i32.const 1)))
    (br_if $l (local.get $c)))
  (local.get $to))"""
CHASE = """(func (export "chase") (param $p i32) (param i32) (result i32) (local $n i32)
  (block $out (loop $l
    (br_if $out (i32.eqz (local.get $p)))
    (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 31)) (i32.load offset=4 (local.get $p))))
    (local.set $p (i32.load (local.get $p)))
    (br $l)))
  (local.get $n))"""
RESULT = """(func (export "result") (param $p i32) (param i32) (result i32) (local $c i32)
  (loop $l (result i32)
    (local.set $p (i32.sub (local.get $p) (i32.const 1)))
    (block $odd (br_if $odd (i32.and (local.tee $c (i32.load8_u (local.get $p))) (i32.const 1)))
      (if (local.get $c) (then (br $l))))
    (i32.add (local.get $p) (local.get $c))))"""
COUNT = """(func (export "count") (param $p i32) (param $n i32) (result i32) (local $s i32)
  (loop $l
    (local.set $s (i32.add (local.get $s) (i32.load8_u (i32.add (local.get $p) (local.get $n)))))
    (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $s))"""
# Addresses that others are made of: upwards, downwards, a choice, ways that meet, and a call between.
FIELDS = """(func (export "fields") (param $p i32) (param $v i32) (result i32)
  (i32.store (local.get $p) (local.get $v))
  (i32.store (i32.add (local.get $p) (i32.const 4)) (local.get $v))
  (i32.store8 (i32.sub (local.get $p) (i32.const 3)) (local.get $v))
  (i64.store align=1 (i32.add (local.get $p) (i32.const 11)) (i64.const -1))
  (i32.load8_u offset=2 (i32.sub (local.get $p) (i32.const 7))))"""
CHOICE = """(func (export "choice") (param $p i32) (param $v i32) (result i32)
  (i32.store16 offset=1 (local.get $p) (local.get $v))
  (i32.store8
    (i32.add (local.get $p) (i32.shl (i32.lt_s (local.get $v) (i32.const 5)) (i32.const 2)))
    (local.get $v))
  (i32.load8_s
    (select (i32.add (local.get $p) (i32.const -2)) (i32.add (local.get $p) (i32.const 3)) (local.get $v))))"""
MEET = """(func (export "meet") (param $p i32) (param $v i32) (result i32) (local $q i32)
  (local.set $q (local.get $p))
  (if (i32.and (local.get $v) (i32.const 1))
    (then (i32.store (local.get $p) (local.get $v)) (local.set $q (i32.add (local.get $p) (i32.const 2))))
    (else (if (i32.and (local.get $v) (i32.const 2)) (then
      (i32.store8 offset=6 (local.get $p) (local.get $v)) (local.set $q (i32.const 65530))))))
  (i32.store (local.get $q) (i32.const -1))
  (i32.load8_u (i32.add (local.get $q) (i32.const 3))))"""
ROUNDS = """(func (export "rounds") (param $p i32) (param $v i32) (result i32)
  (i32.store8 (local.get $p) (local.get $v))
  (loop $l
    (i32.store8 offset=1 (local.get $p) (i32.const 7))
    (local.set $p (i32.add (local.get $p) (i32.const 3)))
    (br_if $l (i32.load8_u (i32.sub (local.get $p) (i32.const 3)))))
  (i32.load8_u (local.get $p)))"""
FUNCTIONS = (SCAN, COPY, CHASE, RESULT, COUNT, FIELDS, CHOICE, MEET, ROUNDS)
FIXED = f"""(module (memory (export "memory") 1) {"".join(FUNCTIONS)})"""
GROWING = f"""(module (memory (export "memory") 1 2) {"".join(FUNCTIONS)}
  (func (export "grow") (result i32) (memory.grow (i32.const 1))))"""


def _outcome(call: Callable[..., int], *arguments: int) -> int | str:
    try:
        return call(*arguments) & 0xFFFFFFFF
    except (Trap, wasmtime.Trap):
        return "trap"


@pytest.mark.parametrize(("text", "pages", "fill"), [(FIXED, 1, 0), (FIXED, 1, 2), (GROWING, 1, 2), (GROWING, 2, 2)])
def test_outcome_and_memory_are_wasmtime_s(
    make_device: Callable[[int], Device], text: str, pages: int, fill: int
) -> None:
    """Loops end by themselves in zeros, and run on to the end of memory, or below address 0, in twos."""
    engine = wasmtime.Store()
    whole = wasmtime.Instance(engine, wasmtime.Module(engine.engine, text), []).exports(engine)
    instance = make_device(pages * 200_000).instantiate(text, stack_size=1024)
    if pages > 1:
        assert whole["grow"](engine) == instance.exports.grow() == 1  # type: ignore[operator]
    memory: wasmtime.Memory = whole["memory"]  # type: ignore[assignment]
    end, traps = pages * PAGE, 0
    data = bytes([fill]) * end
    for name in (function.split('"')[1] for function in FUNCTIONS):
        call: wasmtime.Func = whole[name]  # type: ignore[assignment]
        for first in (*range(-12, 16, pages), *range(end - 20, end + 4)):
            for second in (1, end - 7 if name == "copy" else 6):
                if name == "chase" and fill and 0 <= first < end:
                    continue  # a ring
                memory.write(engine, data, 0)
                instance.memory.write(0, data)
                expected = _outcome(lambda *a, f=call: f(engine, *a), first, second)  # type: ignore[misc]
                assert _outcome(getattr(instance.exports, name), first, second) == expected, (name, first, second)
                assert instance.memory.read(0, end) == memory.read(engine, 0, end), (name, first, second)
                traps += expected == "trap"
    assert traps > 150
