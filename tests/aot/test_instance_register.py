"""The instance pointer in r10, which a function hands on and must leave as it found it."""

from __future__ import annotations

import pytest
import wasmtime
from insitu.aot.contract import ContractError, functions
from insitu.aot.contract import values as v
from insitu.aot.contract.thumb import ARCHITECTURE
from insitu.aot.contract.values import State
from insitu.aot.targets import TARGETS

from tests.aot import sabotage
from tests.aot.machine_code import walk

# Encodings: ARMv7-M Architecture Reference Manual, A7.7.
SAVE, RESTORE, RETURN = (0xE92D, 0x4400), (0xE8BD, 0x8400), 0x4770  # push {r10, lr}; pop {r10, pc}; bx lr
MOVE, COPY, CHANGE = 0x4682, 0x4650, (0xF10A, 0x0A04)  # mov r10, r0; mov r0, r10; add r10, r10, #4
READ, WRITE = (0xF85A, 0x0C04), (0xF8CA, 0x0000)  # ldr r0, [r10, #-4]; str r0, [r10]
TO_TRAP = (0xF000, 0xF801)  # bl over the next
NOT_LEFT, NOT_GIVEN, NONE = "with a register changed", "which a caller does not give", "not given the instance pointer"


def test_kept_and_followed() -> None:
    for code in ((*READ, RETURN), (*SAVE, MOVE, *RESTORE), (*SAVE, *READ, *CHANGE, *RESTORE)):
        walk(code, instance=True, machine=ARCHITECTURE, kept=True)


@pytest.mark.parametrize("code", [(MOVE, RETURN), (*CHANGE, RETURN), (*CHANGE, *SAVE, *RESTORE)])
def test_it_is_left_as_it_was(code: tuple[int, ...]) -> None:
    for argument in ((v.INSTANCE, 0), (v.KEPT,)):
        with pytest.raises(ContractError, match=NOT_LEFT):
            walk(code, argument=argument, machine=ARCHITECTURE, kept=True)


def test_where_a_caller_does_not_give_it() -> None:
    walk((*SAVE, MOVE, *RESTORE), argument=(v.KEPT,), machine=ARCHITECTURE, kept=True)
    for code in ((*READ, RETURN), (*SAVE, *CHANGE, *READ, *RESTORE)):
        with pytest.raises(ContractError, match=NOT_GIVEN):
            walk(code, argument=(v.KEPT,), machine=ARCHITECTURE, kept=True)
    with pytest.raises(ContractError, match="none of linear memory"):
        walk((*WRITE, RETURN), argument=(v.KEPT,), machine=ARCHITECTURE, kept=True)


def test_the_runtime_is_given_it() -> None:
    trap = {8: functions.TRAP}
    walk((COPY, *TO_TRAP, RETURN, RETURN), instance=True, others=trap, machine=ARCHITECTURE, kept=True)
    for argument in (None, (v.KEPT,)):
        with pytest.raises(ContractError, match=NONE):
            walk((COPY, *TO_TRAP, RETURN, RETURN), argument=argument, others=trap, machine=ARCHITECTURE, kept=True)


def test_what_was_found_before_a_caller_was_that_does_not_give_it() -> None:
    state = State([(v.STACK, 0), (v.INSTANCE, 0), (v.INSTANCE, 4), (v.KEPT,)])
    assert state.join(State([(v.STACK, 0), (v.KEPT,), (v.NOT_GIVEN,), (v.SAVED, 3)]), 0, 100)
    assert state.registers[1:] == [(v.KEPT,), (v.NOT_GIVEN,), (v.NOT_GIVEN,)]


MODULE = """(module (import "e" "f" (func $f (param i32) (result i32))) (memory 1 3)
  (func $deep (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (call $f (local.get 0)))
      (else (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (memory.grow (local.get 0))))))
  (func (export "run") (param i32) (result i32) (i32.add (call $deep (local.get 0)) (call $f (local.get 0)))))"""


@pytest.mark.parametrize("target", [name for name, row in TARGETS.items() if row.instance_register])
def test_what_the_compiler_wrote(target: str) -> None:
    """What sets the register, in a function that Python calls, is refused where it is left out."""
    built = sabotage.build(bytes(wasmtime.wat2wasm(MODULE)), target)
    built.check()
    found = 0
    for offset, size, _, operands in list(sabotage.lines(built)):
        if operands.startswith("sl,"):
            with pytest.raises(ContractError):
                built.in_both(offset, bytes.fromhex("00bf" if size == 2 else "aff30080")).check()
            found += 1
    assert found
