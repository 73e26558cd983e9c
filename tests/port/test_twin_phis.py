"""An interpreter's loop, whose traps come where they came: wasmtime is the oracle."""

from __future__ import annotations

from collections.abc import Callable

import wasmtime
from insitu.port.errors import Trap

from tests.port.conftest import Device

# Bytecode, from the address of the argument on: 0 ends, 1 adds the byte behind it, 2 stores the sum at the byte behind
# it, others jump over a byte.
INTERPRETER = """(module (memory (export "memory") 1)
  (func (export "run") (param $pc i32) (result i32) (local $op i32) (local $sum i32)
    (loop $next
      (local.set $op (i32.load8_u (local.get $pc)))
      (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
      (block $skip (block $store (block $add (block $end
        (br_table $end $add $store $skip (local.get $op)))
        (return (local.get $sum)))
        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $pc))))
        (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
        (br $next))
        (i32.store8 (i32.load8_u (local.get $pc)) (local.get $sum)))
      (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
      (br $next))
    (unreachable)))"""
PAGE = 65536


def _outcome(call: Callable[[int], int], argument: int) -> int | str:
    try:
        return call(argument) & 0xFFFFFFFF
    except (Trap, wasmtime.Trap):
        return "trap"


def test_traps_come_where_they_came(make_device: Callable[[int], Device]) -> None:
    """A program that runs over the end of memory has stored what it stores before; wasmtime is the oracle."""
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, INTERPRETER), []).exports(store)
    memory: wasmtime.Memory = exports["memory"]  # type: ignore[assignment]
    run: wasmtime.Func = exports["run"]  # type: ignore[assignment]
    instance = make_device(200_000).instantiate(INTERPRETER, stack_size=1024)
    data = bytes(PAGE - 12) + bytes([1, 5, 2, 9, 1, 40, 3, 3, 2, 11, 1, 7])
    outcomes = []
    for start in (-1, *range(PAGE - 12, PAGE + 2)):
        memory.write(store, data, 0)
        instance.memory.write(0, data)
        outcomes.append(_outcome(lambda at: run(store, at), start))
        assert _outcome(instance.exports.run, start) == outcomes[-1], start
        assert instance.memory.read(0, PAGE) == memory.read(store, 0, PAGE), start
    assert "trap" in outcomes
