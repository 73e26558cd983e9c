"""A function that some caller does not give the instance pointer: it may hold it, but not follow it."""

from __future__ import annotations

import pytest
from insitu.aot.contract import ContractError
from insitu.aot.contract import values as v
from insitu.aot.contract.values import State

from tests.aot.machine_code import walk

# Encodings: ARMv6-M Architecture Reference Manual, A6.7.
RETURN = 0x4770  # bx lr


def test_it_may_be_kept_and_overwritten() -> None:
    walk((0x4601, 0x2000, RETURN), argument=(v.NOT_GIVEN,))  # mov r1, r0; movs r0, #0


@pytest.mark.parametrize(
    "code",
    [
        pytest.param((0x6801,), id="ldr r1, [r0]"),
        pytest.param((0x6001,), id="str r1, [r0]"),
        pytest.param((0x5881,), id="ldr r1, [r0, r2]"),
        pytest.param((0x5081,), id="str r1, [r0, r2]"),
        pytest.param((0x3004, 0x6801), id="adds r0, #4; ldr r1, [r0]"),
        pytest.param((0x1880, 0x6001), id="adds r0, r0, r2; str r1, [r0]"),
        pytest.param((0x3804, 0x6801), id="subs r0, #4; ldr r1, [r0]"),
        pytest.param((0x4602, 0x6811), id="mov r2, r0; ldr r1, [r2]"),
    ],
)
def test_it_may_not_be_followed(code: tuple[int, ...]) -> None:
    with pytest.raises(ContractError):
        walk((*code, RETURN), argument=(v.NOT_GIVEN,))
    walk((*code, RETURN))  # an address of linear memory, for all that is known


def test_where_ways_join_it_stays_what_it_is() -> None:
    state = State([(v.STACK, 0), (v.INSTANCE, 0)])
    assert state.join(State([(v.STACK, 0), (v.NOT_GIVEN,)]), 0, 100)
    assert state.registers[1] == (v.NOT_GIVEN,)
    assert not state.join(State([(v.STACK, 0), (v.INSTANCE, 0)]), 0, 100)
    assert state.registers[1] == (v.NOT_GIVEN,)
