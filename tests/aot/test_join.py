"""What the contract knows where two ways come together."""

from __future__ import annotations

import pytest
from insitu.aot.contract import values as v
from insitu.aot.contract.values import State, Value
from insitu.aot.contract.walk import Walker

from tests.aot.machine_code import walk

_SP, _REGISTER, _SLOT, _PLACE = 0, 1, -4, 100


def _state(register: Value, slot: Value) -> State:
    state = State([(v.STACK, 0), register])
    state.slots[_SLOT] = slot
    return state


def test_a_name_that_gets_another_meaning_is_no_longer_the_slot_s() -> None:
    """A loop reads the register anew and leaves the slot alone: what is learned of one does not hold of the other."""
    known = _state((v.SYMBOL, 1, 0), (v.SYMBOL, 1, 0))
    known.join(_state((v.SYMBOL, 2, 0), (v.SYMBOL, 2, 0)), _SP, _PLACE)
    assert known.registers[_REGISTER] == known.slots[_SLOT]
    again = known.copy()
    again.registers[_REGISTER] = (v.SYMBOL, 3, 0)
    assert known.join(again, _SP, _PLACE)
    assert known.registers[_REGISTER] != known.slots[_SLOT]


def test_a_loop_s_counter_is_not_followed_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is added to one of several constants is any number: of the constants here, 0 and 1 are all."""
    counter = (
        0x2100,  # 0: movs r1, #0
        0x3101,  # 2: adds r1, #1
        0x3A01,  # 4: subs r2, #1
        0xD1FC,  # 6: bne 2
        0x4770,  # 8: bx lr
    )
    followed = []
    straight = Walker._straight
    monkeypatch.setattr(Walker, "_straight", lambda self, at: followed.append(at) or straight(self, at))
    assert walk(counter).frame == 0
    assert followed.count(2) <= 4
