"""Code addresses of which LLVM compares the signature word of one copy, and calls the other, as machine code."""

from __future__ import annotations

import pytest
from insitu.aot.contract import ContractError, functions

from tests.aot.machine_code import walk

WORD = 0x1234BEEF
UNPROVEN = "a call through a register|a signature word is compared with one that no type has"
# Encodings: ARMv6-M Architecture Reference Manual, A6.7.
ENTRY = (
    0xB510,  # push {r4, lr}
    0x1F03,  # subs r3, r0, #4
    0x681B,  # ldr r3, [r3]: the runtime cell
    0x681B,  # ldr r3, [r3]: the stack limit
    0x466C,  # mov r4, sp
    0x429C,  # cmp r4, r3
)
CHECK = (
    0x680A,  # ldr r2, [r1]: the signature word
    0xBF00,  # nop
    0x4B04,  # ldr r3, type
    0x429A,  # cmp r2, r3
)
# As LLVM writes a call of what a branch chose, and of what it put on the stack.
REGISTERS = (
    *ENTRY,
    0xD30A,  # blo trap
    0x460C,  # mov r4, r1: nothing was known of r1
    0x1F49,  # subs r1, r1, #5
    *CHECK,
    0xD103,  # bne trap
    0xBF00,  # nop
    0x47A0,  # blx r4
    0xBD10,  # pop {r4, pc}
    0xBF00,  # nop
    0x4770,  # trap
    0xBF00,  # nop
    *(WORD & 0xFFFF, WORD >> 16),  # type
)
ARGUMENT = (
    *ENTRY,
    0xD30A,  # blo trap
    0x9C02,  # ldr r4, [sp, #8]: the first argument on the stack
    0x1F61,  # subs r1, r4, #5
    *CHECK,
    0xD103,  # bne trap
    0x9C02,  # ldr r4, [sp, #8]
    0x47A0,  # blx r4
    0xBD10,  # pop {r4, pc}
    0xBF00,  # nop
    0x4770,  # trap
    0xBF00,  # nop
    *(WORD & 0xFFFF, WORD >> 16),  # type
)
COPY, BEFORE, MIDDLE, COMPARE, BRANCH, AGAIN, CALL, TRAP = 7, 8, 10, 12, 13, 14, 15, 36


def _walked(code: tuple[int, ...]) -> set[int]:
    found = walk(code, instance=True, others={TRAP: functions.TRAP}, incoming=8, words={WORD: (0, 1)})
    return set(found.instructions)


def _with(code: tuple[int, ...], place: int, halfword: int) -> tuple[int, ...]:
    return (*code[:place], halfword, *code[place + 1 :])


def test_a_copy_is_what_it_was_copied_from() -> None:
    assert 2 * CALL in _walked(REGISTERS)


def test_an_argument_on_the_stack_is_the_same_when_it_is_loaded_again() -> None:
    assert 2 * CALL in _walked(ARGUMENT)


@pytest.mark.parametrize(
    ("code", "place", "halfword"),
    [
        pytest.param(REGISTERS, COPY, 0x4614, id="another register is copied"),
        pytest.param(REGISTERS, BEFORE, 0x1F09, id="another word is read"),
        pytest.param(REGISTERS, BEFORE, 0x1F51, id="another register's word is read"),
        pytest.param(REGISTERS, MIDDLE, 0x3A01, id="the word is changed"),
        pytest.param(REGISTERS, COMPARE, 0x42A2, id="compared with no type"),
        pytest.param(REGISTERS, BRANCH, 0xBF00, id="no branch"),
        pytest.param(REGISTERS, BRANCH, 0xD003, id="the branch inverted"),
        pytest.param(REGISTERS, AGAIN, 0x3401, id="the copy is changed"),
        pytest.param(REGISTERS, AGAIN, 0x6824, id="something is loaded into the copy"),
        pytest.param(ARGUMENT, COPY, 0x9C03, id="the second argument is compared"),
        pytest.param(ARGUMENT, MIDDLE, 0x9102, id="the argument is overwritten"),
        pytest.param(ARGUMENT, BRANCH, 0xBF00, id="no branch for the argument"),
        pytest.param(ARGUMENT, BRANCH, 0xD003, id="the argument's branch inverted"),
        pytest.param(ARGUMENT, AGAIN, 0x9C03, id="the second argument is called"),
    ],
)
def test_refused(code: tuple[int, ...], place: int, halfword: int) -> None:
    with pytest.raises(ContractError, match=UNPROVEN):
        _walked(_with(code, place, halfword))


# The argument's signature word is compared before a helper runs, and the argument loaded again behind it.
HELPED = (
    *ENTRY,
    0xD30B,  # blo trap
    *ARGUMENT[COPY : BEFORE + 1],
    0x680A,  # ldr r2, [r1]
    0x4B05,  # ldr r3, type
    0x429A,  # cmp r2, r3
    0xD105,  # bne trap
    0xA802,  # add r0, sp, #8: where the argument lies
    *(0xF000, 0xF804),  # bl helper
    0x9C02,  # ldr r4, [sp, #8]
    0x47A0,  # blx r4
    0xBD10,  # pop {r4, pc}
    0x4770,  # trap
    0x4770,  # helper
    0xBF00,  # nop
    *(WORD & 0xFFFF, WORD >> 16),  # type
)
GIVEN, HELPED_CALL, HELPED_TRAP, HELPER = 13, 17, 38, 40


def _helped(code: tuple[int, ...], kind: int) -> set[int]:
    others = {HELPED_TRAP: functions.TRAP, HELPER: kind}
    return set(walk(code, instance=True, others=others, incoming=16, words={WORD: (0, 1)}).instructions)


@pytest.mark.parametrize("kind", [functions.LIBRARY, functions.BYTES])
def test_a_helper_may_change_what_it_is_given_the_address_of(kind: int) -> None:
    assert 2 * HELPED_CALL in _helped(_with(HELPED, GIVEN, 0xA803), kind)  # add r0, sp, #12: the argument behind it
    for given in (0xA802, 0xAB02):  # add r0, sp, #8; add r3, sp, #8
        with pytest.raises(ContractError, match=UNPROVEN):
            _helped(_with(HELPED, GIVEN, given), kind)
