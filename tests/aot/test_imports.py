"""Imports that are called in loops, without their wrappers where another instance's function is in the slot."""

from __future__ import annotations

import pytest
import wasmtime
from insitu.aot.contract import ContractError
from insitu.aot.targets import TARGETS

from tests.aot import sabotage

# The function has fewer arguments than the import, which has some on the stack, and results in memory.
_LOOP = """(module (import "o" "few" (func $few (param i32)))
  (import "o" "many" (func $many (param i64 i64 i64) (result i64 i64 i32)))
  (func (export "loop") (result i32) (local $n i32)
    (loop $again
      (call $few (local.get $n))
      (call $many (i64.extend_i32_u (local.get $n)) (i64.const 2) (i64.const 3))
      (local.set $n) (drop) (drop)
      (br_if $again (local.get $n)))
    (local.get $n)))"""


@pytest.mark.parametrize("target", TARGETS)
def test_no_other_instance_s_function_is_given_ours(target: str) -> None:
    """Whatever is left out of the loop, among it the load of the pointer that belongs to the function."""
    built = sabotage.build(bytes(wasmtime.wat2wasm(_LOOP)), target)
    built.check()
    said = []
    for _, offset, nothing in sabotage.left_out(built, "f2"):
        try:
            built.in_both(offset, nothing).check()
        except ContractError as error:
            said.append(str(error))
    assert sum("an imported function is not given its own instance pointer" in text for text in said) >= 2
    assert any("before the operand stack was checked" in text for text in said)


def test_a_stack_check_s_leftover_is_no_place_for_a_result() -> None:
    """On Cortex-M0+ a copy of sp is in r1 when the import is called, and the instance pointer where it leads to."""
    text = """(module (import "o" "read" (func $read (result i32))) (import "o" "log" (func $log (param i32 i32)))
      (func (export "sample") (param $n i32) (result i32) (local $sum i32)
        (if (i32.gt_s (local.get $n) (i32.const 0)) (then
          (loop $again
            (local.set $sum (i32.add (local.get $sum) (call $read)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
        (call $log (i32.const 1024) (i32.const 4))
        (local.get $sum)))"""
    sabotage.build(bytes(wasmtime.wat2wasm(text)), "cortex-m0plus").check()
