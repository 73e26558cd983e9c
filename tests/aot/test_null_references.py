"""Calls of funcrefs that LLVM knows to be null: it reads their signature word, which is 0, from the runtime cell."""

from __future__ import annotations

import pytest
import wasmtime
from insitu.aot.contract import ContractError, functions
from insitu.aot.targets import TARGETS

from tests.aot import sabotage
from tests.aot.machine_code import walk

MODULE = """(module (table 3 funcref) (elem (i32.const 0) $one)
  (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "null") (param i32) (result i32)
    (table.set (i32.const 2) (ref.null func))
    (call_indirect (param i32) (result i32) (local.get 0) (i32.const 2)))
  (func (export "maybe") (param i32) (result i32)
    (if (local.get 0) (then (table.set (i32.const 1) (ref.null func)))
      (else (table.set (i32.const 1) (table.get (i32.const 0)))))
    (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1))))"""

# Encodings: ARMv6-M Architecture Reference Manual, A6.7. What LLVM makes of the function "null" for Cortex-M0+.
CODE = (
    0xB510,  # push {r4, lr}
    0x1F01,  # subs r1, r0, #4
    0x6809,  # ldr r1, [r1]: the runtime cell
    0x680A,  # ldr r2, [r1]: the stack limit
    0x466B,  # mov r3, sp
    0x4293,  # cmp r3, r2
    0xD307,  # blo trap
    0x460B,  # mov r3, r1
    0x330D,  # adds r3, #13: null's code
    0x6889,  # ldr r1, [r1, #8]: null's signature word
    0x4A02,  # ldr r2, type
    0x4291,  # cmp r1, r2
    0xD100,  # bne over the next
    0x4798,  # blx r3
    0xBD10,  # pop {r4, pc}
    0x4770,  # trap: stands for the stub's
    *(0xBEEF, 0x1234),  # type: the word
)
TRAP, LOAD, COMPARE, BRANCH, CALL, TYPE = 30, 9, 11, 12, 13, 16
UNPROVEN = "without comparing the signature word"


def _walked(*changes: tuple[int, int]) -> set[int]:
    """Offsets of the instructions that can be reached, where other halfwords lie in some places."""
    code = list(CODE)
    for place, halfword in changes:
        code[place] = halfword
    return set(walk(tuple(code), instance=True, others={TRAP: functions.TRAP}).instructions)


def test_null_s_word_equals_no_type_s() -> None:
    assert _walked() == set(range(0, TRAP, 2)) - {2 * CALL}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param([(BRANCH, 0xBF00)], UNPROVEN, id="no branch"),
        pytest.param([(BRANCH, 0xD000)], UNPROVEN, id="the branch inverted"),
        pytest.param([(BRANCH, 0xD800)], UNPROVEN, id="only words above are another type's"),
        pytest.param([(BRANCH, 0xDC00)], UNPROVEN, id="a signed comparison"),
        pytest.param([(LOAD, 0x6849)], UNPROVEN, id="the exec env is read for the word"),
        pytest.param([(LOAD, 0x6809)], UNPROVEN, id="the limit is read for the word"),
        pytest.param([(LOAD, 0x68C9)], UNPROVEN, id="what lies behind the cell is read"),
        pytest.param([(LOAD, 0x7A09)], UNPROVEN, id="a byte of the word is read"),
        pytest.param([(COMPARE, 0x4290)], UNPROVEN, id="another register is compared"),
        pytest.param([(COMPARE, 0x4289)], UNPROVEN, id="compared with itself"),
        pytest.param([(TYPE, 0), (TYPE + 1, 0)], UNPROVEN, id="compared with 0"),
        pytest.param([(LOAD, 0x6089)], "none of linear memory", id="null's word is overwritten"),
    ],
)
def test_refused(changes: list[tuple[int, int]], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        _walked(*changes)


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_compiler_wrote(target: str) -> None:
    """Both calls pass, and are refused where the comparison decides nothing or is turned round."""
    built = sabotage.build(bytes(wasmtime.wat2wasm(MODULE)), target)
    built.check()
    patches = list(sabotage.nearest_checks(built))
    assert len(patches) == 4
    for _, offset, data in patches:
        with pytest.raises(ContractError, match=UNPROVEN):
            built.in_both(offset, data).check()
