"""Indirect calls that are direct ones, as nothing can change the table: same results, same traps at the same point."""

from __future__ import annotations

from typing import Any

import pytest
import wasmtime
from insitu.aot.plan import Plan
from insitu.aot.targets import TARGETS
from insitu.port.errors import Trap
from insitu.wasm.decode import decode

from tests.port.conftest import Device

# Of eight entries: four functions and an import of the type called, one of another type, two nulls. What is called
# writes to memory; so does the caller before and behind.
MODULE = """(module
  (type $t (func (param i32 i64) (result i32 i64)))
  (import "env" "given" (func $given (type $t)))
  (memory (export "memory") 1)
  (global $depth (mut i32) (i32.const 0))
  (table $table 8 funcref)
  (elem (table $table) (i32.const 1) func $one $other $two $given)
  (elem (table $table) (i32.const 6) funcref (ref.func $again) (ref.func $trapping))
  (elem (table $table) (i32.const 7) funcref (ref.null func))
  (func $one (type $t) (i32.store8 (i32.const 8) (i32.const 1)) (i32.add (local.get 0) (i32.const 5)) (local.get 1))
  (func $other (param i32) (result i32) (local.get 0))
  (func $two (type $t)
    (i32.store8 (i32.const 8) (i32.load8_u offset=100 (local.get 0)))
    (i32.const 2) (i64.mul (local.get 1) (local.get 1)))
  (func $again (type $t)
    (i32.store8 (i32.const 9) (i32.add (i32.load8_u (i32.const 9)) (i32.const 1)))
    (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (i32.sub (local.get 0) (i32.const 1))))
  (func $trapping (type $t) (unreachable))
  (func $five (type $t) (i32.const 5) (i64.load (local.get 0)))
  (table $own 8 funcref)
  (elem (table $own) (i32.const 1) func $one $two $again $trapping $five $other)
  (table $mixed 8 funcref)
  (elem (table $mixed) (i32.const 0) func $given $two $again $trapping $five $other)
  (func (export "own") (param i32) (result i32 i64)
    (i32.store (i32.const 0) (local.get 0))
    (call_indirect $own (type $t) (local.get 0) (i64.const -7) (local.get 0)))
  (func (export "mixed") (param i32) (result i32 i64)
    (i32.store (i32.const 0) (local.get 0))
    (call_indirect $mixed (type $t) (local.get 0) (i64.const -7) (local.get 0)))
  (func (export "call") (param i32) (result i32 i64)
    (i32.store (i32.const 0) (local.get 0))
    (call_indirect $table (type $t) (local.get 0) (i64.const -7) (local.get 0))
    (i32.store (i32.const 4) (local.get 0)))
  (func (export "nothing") (param i32) (i32.store (i32.const 0) (local.get 0))
    (call_indirect $table (param f64) (f64.const 1) (local.get 0)) (i32.store (i32.const 4) (local.get 0))))"""

TRAPS = {
    "TABLE_OUT_OF_BOUNDS": "undefined element",
    "INDIRECT_CALL_TO_NULL": "uninitialized element",
    "BAD_SIGNATURE": "indirect call type mismatch",
    "UNREACHABLE": "unreachable",
}
INDICES = (*range(9), 2**31, 2**32 - 1, 2**16)


def _given(number: int, wide: int) -> tuple[int, int]:
    return number + 50, wide - 1


def _by_wasmtime(name: str, index: int) -> tuple[Any, bytes]:
    store = wasmtime.Store()
    i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
    given = wasmtime.Func(store, wasmtime.FuncType([i32, i64], [i32, i64]), _given)
    there = wasmtime.Instance(store, wasmtime.Module(store.engine, MODULE), [given]).exports(store)
    try:
        found = there[name](store, index - 2**32 if index >= 2**31 else index)
    except wasmtime.Trap as trap:
        assert trap.trap_code is not None
        found = TRAPS[trap.trap_code.name]
    return tuple(found) if isinstance(found, list) else found, bytes(there["memory"].read(store, 0, 16))


def test_what_an_index_leads_to(device: Device) -> None:
    module = device.load(MODULE)
    for name in ("call", "nothing", "own", "mixed"):
        for index in INDICES:
            instance = module.instantiate(imports={"env": {"given": _given}}, stack_size=1024)
            try:
                found = getattr(instance.exports, name)(index)
            except Trap as trap:
                found = trap.message
            memory = bytes(instance.exports.memory.read(0, 16))
            assert (found, memory) == _by_wasmtime(name, index), (name, index)
            instance.deinstantiate()


def _plan(table: str, code: str = "") -> Plan:
    text = f"""(module (global $zero (import "env" "zero") i32) (type $t (func)) {table}
        (func $f) (func (export "call") (call_indirect (type $t) (i32.const 0)) {code}))"""
    return Plan(decode(bytes(wasmtime.wat2wasm(text))), TARGETS["cortex-m3"])


def test_a_table_that_nothing_can_change_is_known() -> None:
    plan = _plan("(table 3 funcref) (elem (i32.const 1) $f)")
    assert plan.constant_tables == {0: {1: 0}} and plan.choices == {(0, 0): {1: 0}}


@pytest.mark.parametrize(
    ("table", "code"),
    [
        pytest.param('(table (export "t") 3 funcref) (elem (i32.const 1) $f)', "", id="exported"),
        pytest.param('(table (import "env" "t") 3 funcref) (elem (i32.const 1) $f)', "", id="imported"),
        pytest.param("(table 3 funcref) (elem (global.get $zero) $f)", "", id="an offset that the host gives"),
        pytest.param("(table 3 funcref) (elem (i32.const 3) $f)", "", id="a segment that does not fit"),
        *[
            pytest.param("(table 3 funcref) (elem (i32.const 1) $f) (elem $e func $f)", code, id=code.split()[0][1:])
            for code in (
                "(table.set (i32.const 0) (ref.func $f))",
                "(drop (table.grow (ref.func $f) (i32.const 1)))",
                "(table.fill (i32.const 0) (ref.func $f) (i32.const 1))",
                "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
                "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))",
            )
        ],
    ],
)
def test_a_table_that_may_change_is_asked(table: str, code: str) -> None:
    assert _plan(table, code).choices == {}
