"""What the contract knows where two ways come together."""

from __future__ import annotations

from insitu.aot.contract import values as v
from insitu.aot.contract.values import State, Value

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
