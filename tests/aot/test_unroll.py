"""Loops over data, written out several times."""

from __future__ import annotations

import pytest
import wasmtime
from insitu.aot import units
from insitu.aot.options import Options
from insitu.aot.plan import Plan
from insitu.aot.targets import TARGETS
from insitu.aot.unroll import unrolled
from insitu.wasm.decode import decode

from tests.port.test_implied_checks import CHASE, COPY, COUNT, RESULT, SCAN

LOADS = range(0x28, 0x36)


@pytest.mark.parametrize(("text", "copies"), [(SCAN, 4), (COPY, 4), (CHASE, 4), (RESULT, 3), (COUNT, 1)])
def test_loops_over_data_are_written_out(text: str, copies: int) -> None:
    """Up to four times, and 64 instructions; one that counts is left to LLVM."""
    body = decode(bytes(wasmtime.wat2wasm(f"(module (memory 1) {text})"))).functions[0].body
    loads = [sum(opcode in LOADS for opcode, *_ in expression) for expression in (body, unrolled(body, 4))]
    assert loads[1] == copies * loads[0]


@pytest.mark.parametrize(
    "inside", ["(call $f)", "(br_table 0 1 (i32.load (i32.const 0)))", "(drop (i64.const 0))" * 40]
)
def test_long_ones_and_those_that_go_elsewhere_are_not(inside: str) -> None:
    loop = f"(block (loop {inside} (br_if 0 (i32.load (i32.const 0)))))"
    body = decode(bytes(wasmtime.wat2wasm(f"(module (memory 1) (func $f {loop}))"))).functions[0].body
    assert unrolled(body, 4) == body


@pytest.mark.parametrize(("window", "unroll", "copies"), [(None, True, 4), (None, False, 1), (1024, True, 4)])
def test_with_a_window_too_and_not_for_size(window: int | None, unroll: bool, copies: int) -> None:
    module = decode(bytes(wasmtime.wat2wasm(f"(module (memory 1) {SCAN})")))
    (text,) = units.write(Plan(module, TARGETS["cortex-m4f"], Options(window=window)), unroll=unroll)
    assert text.count("sub i32 %v") == copies
