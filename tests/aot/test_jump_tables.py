"""Jump tables whose index LLVM scales before it compares it with the table's length, as machine code."""

from __future__ import annotations

import pytest
from insitu.aot.contract import ContractError, functions
from insitu.aot.contract import values as v
from insitu.aot.contract.effects import Effects
from insitu.aot.contract.thumb import ARMV6M
from insitu.aot.contract.values import State

from tests.aot.machine_code import walk

# Encodings: ARMv6-M Architecture Reference Manual, A6.7. What LLVM makes of a br_table for Cortex-M0+.
SHARED = (
    0x0081,  # lsls r1, r0, #2
    0xBF00,  # nop
    0x2801,  # cmp r0, #1
    0xD900,  # bls over the next
    0x4770,  # bx lr
    0xA002,  # adr r0, table
    0x5841,  # ldr r1, [r0, r1]
    0x1840,  # adds r0, r0, r1
    0x4687,  # mov pc, r0
    0xBF00,  # nop
    *(8, 0, 10, 0),  # table: two words, distances of the ends below
    0x4770,  # bx lr
    0x4770,  # bx lr
)
TABLE = 20


def test_scaled_before_it_is_compared() -> None:
    found = walk(SHARED)
    assert found.tables == {TABLE: TABLE + 8}
    assert {28, 30} <= set(found.instructions)


@pytest.mark.parametrize(
    ("place", "instruction"),
    [
        pytest.param(0, 0x0091, id="another register is scaled"),
        pytest.param(0, 0x0041, id="scaled by less"),
        pytest.param(0, 0x00C1, id="scaled by more"),
        pytest.param(1, 0x1C40, id="the index is changed before it is compared"),
        pytest.param(1, 0x6800, id="the index is loaded before it is compared"),
        pytest.param(1, 0x1C49, id="what was scaled is changed"),
        pytest.param(2, 0x2A01, id="another register is compared"),
        pytest.param(2, 0x2802, id="an entry more"),
        pytest.param(3, 0xBF00, id="no branch"),
        pytest.param(3, 0xDD00, id="a signed comparison"),
    ],
)
def test_refused(place: int, instruction: int) -> None:
    if place == 3 and instruction == 0xBF00:
        code = (*SHARED[:3], 0xBF00, 0xBF00, *SHARED[5:])
    else:
        code = (*SHARED[:place], instruction, *SHARED[place + 1 :])
    with pytest.raises(ContractError):
        walk(code)


def _state(index: int, scaled: int) -> State:
    """A stack pointer, then registers with a symbol and a symbol times 4."""
    return State([(v.STACK, 0), (v.SYMBOL, index, 0), (v.SHIFTED, scaled, 2)])


def test_a_name_made_anew_is_none_of_what_had_it() -> None:
    """In a loop's second round, the value that an instruction named is not the one that it named in the first."""
    around = functions.Surroundings(ARMV6M, b"", {}, {}, {}, [], [], {})
    effects = Effects(around, functions.Function("f", "f", 0, 2, functions.PROGRAM), functions.Walk())
    state = State([None] * ARMV6M.registers)
    symbol = effects._name(state, 3, 0)
    state.slots[-4] = (v.SHIFTED, symbol, 2)
    state.registers[2] = state.registers[3]
    assert effects._name(state, 3, 0) == symbol
    assert state.registers[2:4] == [None, (v.SYMBOL, symbol, 0)] and not state.slots


def test_where_ways_join_scaled_and_index_stay_of_one_symbol() -> None:
    same, differs = _state(1, 1), _state(1, 1)
    same.join(_state(2, 2), 0, 100)
    differs.join(_state(2, 3), 0, 100)
    index, scaled = same.registers[1:]
    assert index and scaled and index[1] == scaled[1]
    index, scaled = differs.registers[1:]
    assert index and scaled and index[1] != scaled[1]


# A byte on the stack, which is loaded once for the comparison and again for the table.
SPILLED = (
    0xB081,  # sub sp, #4
    0x7800,  # ldrb r0, [r0]
    0x9000,  # str r0, [sp]
    0x9800,  # ldr r0, [sp]
    0x2801,  # cmp r0, #1
    0xD901,  # bls over the next two
    *(0xB001, 0x4770),  # add sp, #4; bx lr
    0x9800,  # ldr r0, [sp]
    0xA102,  # adr r1, table
    0x0080,  # lsls r0, r0, #2
    0x5808,  # ldr r0, [r1, r0]
    0x1808,  # adds r0, r1, r0
    0x4687,  # mov pc, r0
    *(8, 0, 12, 0),  # table: two words, distances of the ends below
    *(0xB001, 0x4770),
    *(0xB001, 0x4770),
)


def test_compared_on_the_stack() -> None:
    found = walk(SPILLED)
    assert found.tables == {28: 36}
    assert {36, 40} <= set(found.instructions)


@pytest.mark.parametrize(
    ("place", "instruction"),
    [
        pytest.param(3, 0x7808, id="something else is compared"),
        pytest.param(4, 0x2802, id="an entry more"),
        pytest.param(5, 0xDD01, id="a signed comparison"),
        pytest.param(8, 0x7808, id="something else is the index"),
        pytest.param(10, 0x00C0, id="scaled by more"),
    ],
)
def test_on_the_stack_refused(place: int, instruction: int) -> None:
    with pytest.raises(ContractError):
        walk((*SPILLED[:place], instruction, *SPILLED[place + 1 :]))


# A table of bytes whose index is a constant where control comes first, as in a loop over a state.
CONSTANT = (
    0x2000,  # movs r0, #0
    0x4478,  # add r0, pc
    0x7900,  # ldrb r0, [r0, #4]
    0x0040,  # lsls r0, r0, #1
    0x4487,  # add pc, r0
    1,  # table: halfwords from the next but one instruction on
    0x4770,  # bx lr
    0x4770,  # bx lr
)


def test_a_constant_index_leads_to_its_entry_alone() -> None:
    assert set(walk(CONSTANT).instructions) == {0, 2, 4, 6, 8, 14}


def test_a_byte_is_an_index_but_a_signed_one_is_none() -> None:
    def jump(load: int) -> tuple[int, ...]:
        through = (0xA102, 0x0080, 0x5808, 0x1808, 0x4687)  # adr r1, table; lsls; ldr; adds; mov pc, r0
        return (load, 0xBF00, *through, 0xBF00, *(1024, 0) * 256, 0x4770)

    unsigned, signed = 0x7800, 0x5640  # ldrb r0, [r0]; ldrsb r0, [r0, r1]
    assert walk(jump(unsigned)).tables == {16: 16 + 1024}
    with pytest.raises(ContractError, match="without comparing"):
        walk(jump(signed))
