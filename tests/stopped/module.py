"""A module whose calls do not end, in loops and recursions of several kinds."""

from __future__ import annotations

import functools

import wasmtime
from insitu import aot

TEXT = """(module
  (import "env" "note" (func $note (param i32)))
  (memory (export "memory") 1 9)
  (table $t (export "table") 1 9 funcref) (elem (i32.const 0) $again)
  (type $f (func (param i32) (result i32)))
  (func (export "forever") (loop (br 0)))
  (func $again (export "again") (param i32) (result i32) (call_indirect (type $f) (local.get 0) (i32.const 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "mix") (param i32) (result i32) (local i32)
    (loop
      (local.set 1 (i32.xor (i32.mul (local.get 1) (i32.const 33)) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "scan") (param i32) (result i32)
    (loop
      (if (i32.load8_u (local.get 0)) (then (return (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 1)))
      (br 0))
    (unreachable))
  (func (export "notes") (param i32)
    (loop
      (call $note (local.get 0))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
        (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "nest") (param i32 i32) (result i32) (local i32 i32)
    (loop
      (local.set 2 (local.get 1))
      (loop
        (local.set 3 (i32.add (i32.mul (local.get 3) (i32.const 5)) (i32.xor (local.get 2) (local.get 0))))
        (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 3)))"""
ENDLESS = (("forever", ()), ("fib", (60,)), ("nest", (-1, 3)), ("notes", (-1,)))


@functools.cache
def image(target: str, interruptible: bool = True) -> bytes:
    """For the target of that name."""
    return aot.compile_wasm(bytes(wasmtime.wat2wasm(TEXT)), target, aot.Options(interruptible=interruptible))
