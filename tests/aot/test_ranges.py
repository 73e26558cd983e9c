"""Which checks are left out: as many branches to the trap as a function is written with."""

from __future__ import annotations

import pytest
import wasmtime
from insitu.aot import units
from insitu.aot.plan import Plan
from insitu.aot.targets import TARGETS
from insitu.wasm.decode import decode

LOAD = "(drop (i32.load {}))"
P, Q = LOAD.format("(local.get $p)"), LOAD.format("(local.get $q)")
NEXT = LOAD.format("(i32.add (local.get $p) (i32.const 4))")
BEFORE = LOAD.format("(i32.sub (local.get $p) (i32.const 4))")
FAR = "(drop (i32.load offset=8 (local.get $p)))"
GROW = "(drop (memory.grow (i32.const 1)))"
ADVANCE = "(local.set $p (i32.add (local.get $p) (i32.const {})))"


def _checks(body: str, end: int) -> int:
    """In a memory that ends there, in bytes; 65536: no slack behind it."""
    text = f"""(module (memory 1) (global (export "__data_end") i32 (i32.const 16))
      (global (export "__heap_base") i32 (i32.const {end})) (func (param $p i32) (param $q i32) {body}))"""
    return _compared(text)


def _compared(text: str) -> int:
    plan = Plan(decode(bytes(wasmtime.wat2wasm(text))), TARGETS["cortex-m4f"])
    return "".join(units.write(plan)).count("icmp ugt i32")


@pytest.mark.parametrize(
    ("body", "with_slack", "without"),
    [
        (P + P, 1, 1),
        (P + NEXT, 1, 2),
        (NEXT + P, 2, 2),  # p + 4 may have been 2^32 + 3
        (BEFORE + P, 1, 2),
        (BEFORE + P + NEXT + BEFORE, 1, 3),
        (P + ADVANCE.format(20) + P, 1, 2),
        (P + ADVANCE.format(2000) + P, 2, 2),
        (P + "(local.set $p (i32.mul (local.get $p) (i32.const 1)))" + P, 2, 2),
        (P + f"(loop {NEXT} {ADVANCE.format(4)} (br_if 0 (local.get $q)))", 2, 2),
        (P + f"(loop {Q} {NEXT} (br_if 0 (local.get $q)))", 2, 3),  # p is the same in each round
        (f"(if (local.get $q) (then {P}) (else {NEXT}))" + P, 3, 3),
        (f"(if (local.get $q) (then {P}) (else {P}))" + P, 2, 2),
        (f"(if (local.get $q) (then {P}))" + P, 2, 2),
        (f"(block (br_if 0 (local.get $q)) {P})" + P, 2, 2),
        (P + f"(block (br_if 0 (local.get $q)) {ADVANCE.format(4)})" + P, 1, 2),
        (P + Q + "(if (i32.eqz (local.get $p)) (then (local.set $p (local.get $q))))" + NEXT, 2, 3),
        (LOAD.format("(i32.const 48)"), 0, 0),
        (LOAD.format("(i32.const 70000)"), 1, 1),
    ],
)
def test_checks_that_are_left(body: str, with_slack: int, without: int) -> None:
    assert (_checks(body, 2048), _checks(body, 65536)) == (with_slack, without)


@pytest.mark.parametrize(
    ("body", "checks"),
    [
        (FAR + P, 1),
        (FAR + GROW + P + NEXT, 1),
        (FAR + ADVANCE.format(8) + P, 1),
        (FAR + ADVANCE.format(9) + P, 2),
        (P + FAR, 2),
        (P + NEXT, 2),
        (LOAD.format("(i32.const 65532)"), 0),
        (LOAD.format("(i32.const 65533)"), 1),  # there once it has grown
        (FAR + "(drop (i32.load (i32.add (local.get $q) (i32.const 65500))))" + LOAD.format("(i32.const 65536)"), 3),
    ],
)
def test_in_a_memory_that_may_grow(body: str, checks: int) -> None:
    """What is implied by the size at first is implied by any."""
    assert _compared(f"(module (memory 1 4) (func (param $p i32) (param $q i32) {body} {GROW}))") == checks
