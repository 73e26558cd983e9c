"""What one instruction does to the registers and the frame, and whether it may: the stack pointer, reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from insitu.aot.contract import instruction as do
from insitu.aot.contract import values as v
from insitu.aot.contract.functions import LIBRARY, Broken, Function, Surroundings, Walk
from insitu.aot.contract.values import State, Value
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.contract.instruction import Effect

_REGISTER_BITS = 5  # an architecture has at most 32
# What may be part of an address of linear memory or of a table.
_ADDRESSES = (v.SYMBOL, v.WORD, v.SHIFTED, v.BOUNDED, v.SCALED, v.CONSTANTS)
_UNKNOWN_INSTANCE = (v.NOT_GIVEN, v.KEPT)


class Effects:
    """Of the instructions of one function; what they read as constants is noted in its walk."""

    def __init__(self, around: Surroundings, function: Function, walk: Walk) -> None:
        self.around, self.function, self.walk = around, function, walk
        self.machine = around.architecture
        self._sp = self.machine.sp
        self._names: set[int] = set()  # symbols that there are: of the function's instructions followed so far

    # --- one a kind of effect ---

    def _apply_write(self, effect: Effect, state: State, at: int) -> None:
        if effect[1] == self._sp:
            raise Broken("the stack pointer is changed by what is no constant")
        state.registers[effect[1]] = None

    def _apply_copy(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], self._kept(state, effect[2], at))

    def _apply_set(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], v.constant(effect[2]))

    def _apply_set_high(self, effect: Effect, state: State, at: int) -> None:
        low = v.number(state.registers[effect[1]])
        high = None if low is None else v.constant(low & 0xFFFF | effect[2] << 16)
        self._set(state, effect[1], high)

    def _apply_add(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], self._plus(state.registers[effect[2]], effect[3]))

    def _apply_sum(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], self._sum(state, effect[2], effect[3], effect[4]))

    def _apply_difference(self, effect: Effect, state: State, at: int) -> None:
        registers = state.registers
        self._set(state, effect[1], self._difference(registers[effect[2]], registers[effect[3]]))

    def _apply_shift(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], self._shift(state, effect, at))

    def _apply_shift_right(self, effect: Effect, state: State, at: int) -> None:
        n = v.number(state.registers[effect[2]])
        known = (v.BOUNDED, 0xFFFFFFFF >> effect[3]) if n is None else v.constant(n >> effect[3])
        self._set(state, effect[1], known)

    def _apply_invert(self, effect: Effect, state: State, at: int) -> None:
        n = v.number(state.registers[effect[2]])
        self._set(state, effect[1], None if n is None else v.constant(~n))

    def _apply_bound(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], (v.BOUNDED, effect[2]))

    def _apply_and(self, effect: Effect, state: State, at: int) -> None:
        most = [n for n in (state.bound(state.registers[r]) for r in effect[2:]) if n is not None]
        self._set(state, effect[1], (v.BOUNDED, min(most)) if most else None)

    def _apply_load(self, effect: Effect, state: State, at: int) -> None:
        place = self._plus(state.registers[effect[2]], effect[3])
        self._set(state, effect[1], self._load(state, effect, at))
        self._named(state, effect, at, place)

    def _apply_load_at(self, effect: Effect, state: State, at: int) -> None:
        place = self._sum(state, effect[2], effect[3], effect[4])
        self._set(state, effect[1], self._load_at(state, effect, place))
        self._named(state, effect, at, place)

    def _apply_compare(self, effect: Effect, state: State, at: int) -> None:
        self._compare_registers(state, at, effect[1], effect[2])

    def _apply_compare_constant(self, effect: Effect, state: State, at: int) -> None:
        self._compare(state, at, effect[1], v.constant(effect[2]))

    def _apply_compare_shifted(self, effect: Effect, state: State, at: int) -> None:
        n = v.number(state.registers[effect[2]])
        if n is None:
            state.flags = None
        else:
            self._compare(state, at, effect[1], v.constant(n >> effect[3]))

    def _apply_forget_flags(self, effect: Effect, state: State, at: int) -> None:
        state.flags = None

    def _apply_pc(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], (v.IMAGE, (at & -effect[3]) + effect[2]))

    def _apply_literal(self, effect: Effect, state: State, at: int) -> None:
        value = self._literal((at & -effect[3]) + effect[2])
        if effect[1] != do.NO_REGISTER:
            self._set(state, effect[1], value)

    def _apply_sum_pc(self, effect: Effect, state: State, at: int) -> None:
        self._set(state, effect[1], self._from_image(state, at + effect[3], state.registers[effect[2]]))

    # --- values ---

    def _set(self, state: State, register: int, value: Value) -> None:
        if register == self._sp:
            if value is None or value[0] != v.STACK:
                raise Broken("the stack pointer is changed by what is no constant")
            if value[1] > 0 and self.function.kind != LIBRARY:
                raise Broken("the stack pointer is raised above the frame")
            self.walk.frame = max(self.walk.frame, -value[1])
            for at in [at for at in state.slots if at < value[1]]:
                del state.slots[at]
        state.registers[register] = value

    def _plus(self, value: Value, n: int) -> Value:
        if value is None:
            return None
        kind = value[0]
        if kind in (v.STACK, v.INSTANCE, v.CELL):
            return (kind, value[1] + n)
        if kind == v.IMAGE:
            return (kind, value[1] + n & 0xFFFFFFFF)
        if kind == v.CONSTANTS:  # a sum with one of several is none of them: a loop's counter would be, round by round
            return v.constant(next(iter(value[1])) + n) if len(value[1]) == 1 else None
        if kind in (v.SYMBOL, v.WORD):
            return (kind, value[1], value[2] + n)
        if kind == v.ENTRY:
            return (kind, value[1] + n, *value[2:])
        return (v.NOT_GIVEN,) if kind in _UNKNOWN_INSTANCE else None

    def _sum(self, state: State, a: int, b: int, shift: int) -> Value:
        first, second = state.registers[a], state.registers[b]
        if any(value and value[0] in _UNKNOWN_INSTANCE for value in (first, second)):
            return (v.NOT_GIVEN,)
        if shift:
            second = self._shifted(state, second, shift)
        for one, other in ((first, second), (second, first)):
            n = v.number(one)
            if n is not None:
                return self._plus(other, n - (1 << 32) if n >> 31 else n)
        for one, other in ((first, second), (second, first)):
            if one and other and one[0] == v.IMAGE:
                return self._from_image(state, one[1], other)
        return None

    @staticmethod
    def _from_image(state: State, base: int, value: Value) -> Value:
        """base, an offset in the code, and value."""
        n = v.number(value)
        if n is not None:
            return (v.IMAGE, base + n & 0xFFFFFFFF)
        if value and value[0] == v.SHIFTED:
            value = Effects._scaled(state.most.get(value[1]), value[2])
        if value and value[0] == v.SCALED:
            return (v.ENTRY, base, value[1], value[2])
        if value and value[0] == v.DISTANCE:
            return (v.TARGET, *value[1:], base)
        most = state.bound(value)
        return None if most is None else (v.ENTRY, base, most, 0)

    def _difference(self, a: Value, b: Value) -> Value:
        n = v.number(b)
        return None if n is None else self._plus(a, -n if not n >> 31 else (1 << 32) - n)

    def _shifted(self, state: State, value: Value, shift: int) -> Value:
        n = v.number(value)
        if n is not None:
            return v.constant(n << shift)
        if value and value[0] == v.DISTANCE and value[3] < 4:
            return (*value[:4], value[4] + shift)
        return self._scaled(state.bound(value), shift)

    @staticmethod
    def _scaled(most: int | None, shift: int) -> Value:
        """What is not above most, shifted: known where no bit is lost."""
        return None if most is None or most << shift >= 1 << 32 else (v.SCALED, most, shift)

    def _shift(self, state: State, effect: Effect, at: int) -> Value:
        """A shift into another register gives what it shifts a name.

        LLVM shares the shift of a jump table's index with that of an address, and compares the index only behind it.
        """
        _, d, source, shift = effect
        value = state.registers[source]
        if d != source and (value is None or value[0] == v.BOUNDED or (value[0] == v.SYMBOL and value[2])):
            self._name(state, source, at)
            value = state.registers[source]
        if value and value[0] == v.SYMBOL and not value[2]:
            return (v.SHIFTED, value[1], shift)
        return self._shifted(state, value, shift)

    def _literal(self, offset: int) -> Value:
        self.walk.constants.add(offset)
        return v.constant(int.from_bytes(self.around.code[offset : offset + 4], "little"))

    # --- names ---

    def _name(self, state: State, register: int, at: int) -> int:
        """The symbol that what the register holds is called by from the instruction on."""
        symbol = at << _REGISTER_BITS | register
        if symbol in self._names:
            state.forget(symbol)
        self._names.add(symbol)
        state.name(register, symbol)
        return symbol

    def _kept(self, state: State, register: int, at: int) -> Value:
        """What is copied, which has a name then: what is found out of one copy holds of the other."""
        value = state.registers[register]
        if value is None or value[0] == v.BOUNDED:
            self._name(state, register, at)
        return state.registers[register]

    # --- comparisons ---

    def _compare(self, state: State, at: int, register: int, with_what: Value) -> None:
        value = state.registers[register]
        nameless = value is None or value[0] in (v.BOUNDED, v.SHIFTED)
        if nameless or (value[0] == v.SYMBOL and value[2]) or (value[0] == v.CONSTANTS and len(value[1]) > 1):  # type: ignore[index]
            self._name(state, register, at)
        state.flags = state.registers[register], with_what

    def _compare_registers(self, state: State, at: int, a: int, b: int) -> None:
        first, second = state.registers[a], state.registers[b]
        if v.number(second) is not None:
            self._compare(state, at, a, second)
        elif v.number(first) is not None:
            self._compare(state, at, b, first)
            state.flags = first, state.registers[b]
        else:
            state.flags = (first, second) if first and second else None

    # --- memory ---

    def _named(self, state: State, effect: Effect, at: int, place: Value) -> None:
        """A word that was loaded from somewhere has a name: it may be a function's address, and copied before use.

        An argument on the stack has the same name where it lies, from where LLVM may load it again.
        """
        if effect[-1] == 4 and state.registers[effect[1]] is None and effect[1] != self.machine.sp:
            self._name(state, effect[1], at)
            if place and place[0] == v.STACK and place[1] >= 0 and place[1] % 4 == 0:
                state.slots[place[1]] = state.registers[effect[1]]

    def _load(self, state: State, effect: Effect, at: int) -> Value:
        _, d, base, offset, width = effect
        value = state.registers[base]
        if value is None and offset == -4 - self.machine.code_bit and width == 4 and base != d:
            return (v.WORD, self._name(state, base, at), 0)
        return self._read(state, value, offset, width)

    def _read(self, state: State, value: Value, offset: int, width: int) -> Value:
        """What lies at value + offset."""
        unknown = (v.BOUNDED, (1 << 8 * width) - 1) if width < 4 else None
        if value is None:
            return unknown
        kind = value[0]
        if kind in _UNKNOWN_INSTANCE:
            raise Broken("what the instance pointer leads to is read, which a caller does not give")
        if kind == v.STACK:
            place = value[1] + offset
            self._in_own_stack(state, place, width)
            return state.slots.get(place) if width == 4 else unknown
        if kind == v.INSTANCE:
            found = self._load_instance(value[1] + offset, width)
            return found if width == 4 else unknown
        if kind == v.ENTRY and width == 1 << value[3]:
            return (v.DISTANCE, value[1] + offset, value[2], width, 0)
        if kind == v.IMAGE and width < 4 and value[1] + offset + width <= len(self.around.code):
            return v.constant(int.from_bytes(self.around.code[value[1] + offset :][:width], "little"))
        if width < 4:
            return unknown
        if kind == v.CELL and value[1] + offset == layout.CELL_LIMIT:
            return (v.LIMIT,)
        if kind == v.CELL and value[1] + offset == layout.CELL_NULL:
            return v.constant(0)  # invariant: funcref
        if kind == v.SYMBOL and value[2] + offset == -4 - self.machine.code_bit:
            return (v.WORD, value[1], 0)
        if kind == v.IMAGE and value[1] + offset + 4 <= len(self.around.code):
            return self._literal(value[1] + offset)
        return None

    def _load_instance(self, place: int, width: int) -> Value:
        if self.function.kind != LIBRARY and not any(lo <= place <= hi - width for lo, hi in self.around.readable):
            raise Broken(f"a read at {place} from the instance pointer, where nothing is that program code may read")
        if place == -layout.INSTANCE_RUNTIME:
            return (v.CELL, 0)
        if -place in self.around.imports:
            return (v.IMPORTED, -place)
        if layout.IMPORT_SLOT_INSTANCE - place in self.around.imports:
            return (v.OWNER, layout.IMPORT_SLOT_INSTANCE - place)
        return None

    def _load_at(self, state: State, effect: Effect, place: Value) -> Value:
        _, _, base, index, _, width = effect
        if place is None and self.function.kind != LIBRARY and self._any_stack(state, base, index):
            raise Broken("the frame is read at an offset that is no constant")
        return self._read(state, place, 0, width)

    @staticmethod
    def _any_stack(state: State, *registers: int) -> bool:
        values = [state.registers[r] for r in registers]
        return any(value is not None and value[0] == v.STACK for value in values)

    def _apply_store(self, effect: Effect, state: State, at: int) -> None:
        _, source, base, offset, width = effect
        if state.registers[base] is not None:
            self._write(state, state.registers[base], offset, width, source, at)

    def _apply_store_at(self, effect: Effect, state: State, at: int) -> None:
        _, source, base, index, shift, width = effect
        place = self._sum(state, base, index, shift)
        if place is not None:
            self._write(state, place, 0, width, source, at)
            return
        for value in (state.registers[base], state.registers[index]):
            if value and value[0] not in _ADDRESSES and value[0] != v.INSTANCE and not self.function.far:
                raise Broken("a write at an offset that is no constant from what is not linear memory")

    def _write(self, state: State, value: Value, offset: int, width: int, source: int, at: int) -> None:
        """A store to value + offset, which is known."""
        assert value is not None
        kind = value[0]
        if kind == v.STACK:
            place = value[1] + offset
            self._in_own_stack(state, place, width)
            if width == 4 and place % 4 == 0 and source != do.NO_REGISTER:
                state.slots[place] = self._kept(state, source, at)
            else:
                for word in range(place & ~3, place + width, 4):
                    state.slots.pop(word, None)
        elif kind == v.INSTANCE:
            place = value[1] + offset
            if not any(low <= place <= high - width for low, high in self.around.writable):
                raise Broken(f"a write at {place} from the instance pointer, where program code must not write")
        elif kind not in _ADDRESSES and not self.function.far:  # whose caller's registers hold its addresses
            raise Broken("a write through an address that is none of linear memory")

    def _in_own_stack(self, state: State, place: int, width: int) -> None:
        sp = state.registers[self.machine.sp][1]  # type: ignore[index]
        if place < sp:
            raise Broken("an access below the stack pointer")
        if (
            place + width > 0
            and self.function.kind != LIBRARY
            and (place < 0 or place + width > self.function.incoming)
        ):
            raise Broken("an access above the frame and the arguments")


# Change the state as an effect of the instruction at that offset does; raise Broken.
APPLY: dict[int, Callable[[Effects, Effect, State, int], None]] = {
    do.WRITE: Effects._apply_write,
    do.COPY: Effects._apply_copy,
    do.SET: Effects._apply_set,
    do.SET_HIGH: Effects._apply_set_high,
    do.ADD: Effects._apply_add,
    do.SUM: Effects._apply_sum,
    do.DIFFERENCE: Effects._apply_difference,
    do.SHIFT: Effects._apply_shift,
    do.SHIFT_RIGHT: Effects._apply_shift_right,
    do.INVERT: Effects._apply_invert,
    do.BOUND: Effects._apply_bound,
    do.AND: Effects._apply_and,
    do.LOAD: Effects._apply_load,
    do.LOAD_AT: Effects._apply_load_at,
    do.STORE: Effects._apply_store,
    do.STORE_AT: Effects._apply_store_at,
    do.COMPARE: Effects._apply_compare,
    do.COMPARE_CONSTANT: Effects._apply_compare_constant,
    do.COMPARE_SHIFTED: Effects._apply_compare_shifted,
    do.FORGET_FLAGS: Effects._apply_forget_flags,
    do.PC: Effects._apply_pc,
    do.LITERAL: Effects._apply_literal,
    do.SUM_PC: Effects._apply_sum_pc,
}
