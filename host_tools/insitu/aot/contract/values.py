"""What is known of a register or a stack slot at one place of a function, and how two such states join.

A value is None (anything) or a tuple: one of the kinds below, then its parameters. A state says which values the
registers and the slots of the frame hold, what was found out about values by comparing them, and whether the operand
stack was checked.
"""

from __future__ import annotations

from operator import eq, ge, gt, le, lt, ne
from typing import Any

from insitu.aot.contract.instruction import (
    EQ,
    EXCHANGED,
    HIGHER,
    LOWER,
    LOWER_OR_SAME,
    NE,
    SAME_OR_HIGHER,
)

Value = tuple[Any, ...] | None
Name = int | tuple[int, int]  # of a symbol: the instruction that made it, or a place and a register or slot of it
_SLOTS = 1 << 32  # added to a slot's distance, which is below 0, in names

(
    CONSTANTS,  # frozenset of numbers: one of them
    STACK,  # n: the stack pointer on entry, plus n
    INSTANCE,  # n: the instance pointer, plus n
    IMAGE,  # n: address of offset n of the code
    RETURN,  # the return address
    SAVED,  # register: what it held on entry
    CELL,  # n: the runtime cell, plus n
    LIMIT,  # the lowest stack pointer that checked code may have
    IMPORTED,  # distance: code address in the import slot there
    OWNER,  # distance: instance pointer in the import slot there
    GIVEN,  # what a thunk is told to call
    SYMBOL,  # name, n: the value made where the name says, plus n
    WORD,  # name, n: the signature word before the code that the symbol is the address of, plus n
    SHIFTED,  # name, shift: the symbol times 2**shift, modulo 2**32; how high it is, is looked up where it is used
    BOUNDED,  # n: not above n
    SCALED,  # n, shift: not above n, times 2**shift
    ENTRY,  # offset, n, shift: address of entry 0 to n of a table in the code
    DISTANCE,  # offset, n, bytes, shift: what such an entry holds, of so many bytes, times 2**shift
    TARGET,  # offset, n, bytes, shift, base: base and such a distance
    NOT_GIVEN,  # where the instance pointer would be, or what was made of that: some caller does not pass it
    KEPT,  # what the instance register held on entry: the instance pointer, or not, if some caller does not pass it
) = range(21)

_NAMED = (SYMBOL, WORD, SHIFTED)
_MOST_CONSTANTS = 16


def constant(n: int) -> Value:
    return (CONSTANTS, frozenset((n & 0xFFFFFFFF,)))


def number(value: Value) -> int | None:
    """The one constant that value is, or None."""
    if value and value[0] == CONSTANTS and len(value[1]) == 1:
        (only,) = value[1]
        return only
    return None


def _merged(a: Value, b: Value) -> Value:
    if a == b:
        return a
    if (NOT_GIVEN,) in (a, b):
        return (NOT_GIVEN,)
    if (KEPT,) in (a, b):
        return (KEPT,) if (INSTANCE, 0) in (a, b) else (NOT_GIVEN,)
    if a and b and a[0] == b[0] == CONSTANTS:
        both = a[1] | b[1]
        return (CONSTANTS, both) if len(both) <= _MOST_CONSTANTS else None
    if a and b and a[0] == b[0] == BOUNDED:
        return max(a, b)
    return None


_HOLDS = {EQ: eq, NE: ne, LOWER: lt, SAME_OR_HIGHER: ge, HIGHER: gt, LOWER_OR_SAME: le}


class Mismatch(Exception):
    """Two ways to one place bring stack pointers that differ."""


class _Names:
    """Symbols where two states come together.

    Where one state has a symbol and the other another, the value gets a name that stands for both: of the place, and of
    the first of the registers and slots that hold this pair. So what was found out of either, the same of both,
    still holds of it.
    """

    def __init__(self, mine: State, other: State, place: int) -> None:
        self._mine, self._other, self._place = mine, other, place
        self._pairs: dict[tuple[Name, Name], Name] = {}
        self.most: dict[Name, int] = {}
        self.words: dict[Name, frozenset[int]] = {}
        self.new: set[Name] = set()

    def merged(self, a: Value, b: Value, where: int) -> Value:
        if not a or not b or a[0] != b[0] or a[0] not in _NAMED:
            return _merged(a, b) or self._bounded(a, b)
        if a == b and (isinstance(a[1], int) or a[1][0] != self._place):
            return a  # what has a name of this place is renamed with all others that have it
        return (a[0], self._name(a[1], b[1], where), a[2]) if a[2] == b[2] else None

    def _bounded(self, a: Value, b: Value) -> Value:
        """Of two that have no more in common: what neither is above."""
        mine, other = self._mine.bound(a), self._other.bound(b)
        return None if mine is None or other is None else (BOUNDED, max(mine, other))

    def _name(self, mine: Name, other: Name, where: int) -> Name:
        name = self._pairs.get((mine, other))
        if name is None:
            name = self._pairs[mine, other] = (self._place, where)
            self.new.add(name)
            a, b = self._mine.most.get(mine), self._other.most.get(other)
            if a is not None and b is not None:
                self.most[name] = max(a, b)
            first, second = self._mine.words.get(mine), self._other.words.get(other)
            if first and second:
                self.words[name] = first | second
        return name


class State:
    """What is known at one place.

    Attributes:
        registers: a value each.
        slots: distance from the stack pointer on entry to the value of the word there.
        most: symbol to the highest number that it can be.
        words: symbol to the constants that its signature word may be, one of which it is.
        checked: how far below the stack pointer on entry lay what was compared with the limit; None: nothing was.
        low: whether control may have come here although the stack pointer was found below the limit.
        flags: the two values that were compared last.
    """

    __slots__ = ("checked", "flags", "low", "most", "registers", "slots", "words")

    def __init__(self, registers: list[Value]) -> None:
        self.registers = registers
        self.slots: dict[int, Value] = {}
        self.most: dict[Name, int] = {}
        self.words: dict[Name, frozenset[int]] = {}
        self.checked: int | None = None
        self.low = False
        self.flags: tuple[Value, Value] | None = None

    def copy(self) -> State:
        other = State(self.registers[:])
        other.slots, other.most, other.words = self.slots.copy(), self.most.copy(), self.words.copy()
        other.checked, other.low, other.flags = self.checked, self.low, self.flags
        return other

    def join(self, other: State, sp: int, place: int) -> bool:
        """Keep what holds in both, where control comes together at place; whether anything was lost.

        Raises Mismatch.
        """
        mine, others = self.registers, other.registers
        if mine[sp] != others[sp]:
            raise Mismatch
        names = _Names(self, other, place)
        changed = False
        # A name of this place may get another meaning by any pair that differs: then all that have it are looked at.
        if mine != others or self.slots != other.slots or self.flags != other.flags:
            for i, value in enumerate(mine):
                if value is not None and (value != others[i] or value[0] in _NAMED):
                    merged = names.merged(value, others[i], i)
                    if merged != value:
                        mine[i] = merged
                        changed = True
            changed |= self._join_slots(other, names)
            if self.flags is not None:
                changed |= self._join_flags(other, names)
        if (self.most or self.words) and (names.new or self.most != other.most or self.words != other.words):
            changed |= self._join_facts(other, names)
        if self.checked is not None and (other.checked is None or other.checked < self.checked):
            self.checked = other.checked
            changed = True
        if other.low and not self.low:
            self.low = changed = True
        return changed

    def _join_slots(self, other: State, names: _Names) -> bool:
        changed = False
        theirs = other.slots
        differing = [
            (at, value)
            for at, value in self.slots.items()
            if value is None or value[0] in _NAMED or value != theirs.get(at)
        ]
        for at, value in differing:
            merged = names.merged(value, theirs.get(at), at + _SLOTS)
            if merged is None:
                del self.slots[at]
            else:
                self.slots[at] = merged
            changed |= merged != value
        return changed

    def _join_flags(self, other: State, names: _Names) -> bool:
        before = self.flags
        if before is None or other.flags is None:
            self.flags = None
        else:
            first, second = (names.merged(a, b, i) for a, b, i in zip(before, other.flags, (-1, -2), strict=True))
            self.flags = (first, second) if first and second else None
        return self.flags != before

    def _join_facts(self, other: State, names: _Names) -> bool:
        """Of a name that is new here, or means something else than before, only what holds of both.

        What nothing holds any more is forgotten, and to forget it is no loss: no other state can give it back.
        """
        held = self._held()
        before = {s: n for s, n in self.most.items() if s in held}, {s: w for s, w in self.words.items() if s in held}
        kept = held - names.new
        most = {s: max(n, other.most[s]) for s, n in before[0].items() if s in kept and s in other.most}
        words = {s: w | other.words[s] for s, w in before[1].items() if s in kept and s in other.words}
        self.most, self.words = most | names.most, words | names.words
        return (self.most, self.words) != before

    def _held(self) -> set[Name]:
        """Symbols that a register, a slot or the flags have."""
        values = [*self.registers, *self.slots.values(), *(self.flags or ())]
        return {value[1] for value in values if value and value[0] in _NAMED}

    def forget(self, symbol: int) -> None:
        """What was called by a symbol has no name, and is not known any more."""
        registers = self.registers
        for i, value in enumerate(registers):
            if value and value[0] in _NAMED and value[1] == symbol:
                registers[i] = None
        for at in [at for at, v in self.slots.items() if v and v[0] in _NAMED and v[1] == symbol]:
            del self.slots[at]
        for value in self.flags or ():
            if value and value[0] in _NAMED and value[1] == symbol:
                self.flags = None
        self.words.pop(symbol, None)
        self.most.pop(symbol, None)

    def name(self, register: int, symbol: int) -> None:
        """Call what register holds by a symbol that nothing is called by."""
        known = self.registers[register]
        most = self.bound(known)
        if most is not None:
            self.most[symbol] = most
        self.registers[register] = (SYMBOL, symbol, 0)

    def bound(self, value: Value) -> int | None:
        """The highest number that value can be, where that is known."""
        if value is None:
            return None
        if value[0] == BOUNDED:
            return int(value[1])
        if value[0] == SYMBOL and value[2] == 0:
            return self.most.get(value[1])
        if value[0] == CONSTANTS:
            return max(value[1])
        return None

    def learn(self, condition: int) -> bool:
        """What follows from condition holding for the two values that were compared last; False where it cannot."""
        if self.flags is None:
            return True
        a, b = self.flags
        first, second = number(a), number(b)
        if first is not None and second is not None:
            return _HOLDS[condition](first, second) if condition in _HOLDS else True
        self._learn(a, b, condition)
        self._learn(b, a, EXCHANGED[condition])
        return True

    def _learn(self, a: Value, b: Value, condition: int) -> None:
        if a is None or b is None:
            return
        if a[0] == STACK and b[0] == LIMIT:
            if condition in (SAME_OR_HIGHER, HIGHER) and (self.checked is None or -a[1] > self.checked):
                self.checked = -a[1]
            self.low |= condition in (LOWER, LOWER_OR_SAME)
            return
        if a[0] == WORD and b[0] == CONSTANTS and condition == EQ:
            self.words[a[1]] = frozenset((n - a[2]) & 0xFFFFFFFF for n in b[1])
            return
        n = number(b)
        if n is None:
            return
        if a[0] == SYMBOL and a[2] == 0:
            most = {LOWER: n - 1, LOWER_OR_SAME: n, EQ: n}.get(condition, -1)
            if 0 <= most < self.most.get(a[1], 1 << 32):
                self.most[a[1]] = most
