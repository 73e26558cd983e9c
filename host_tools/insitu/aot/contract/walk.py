"""Follows one function along every way through it and proves what the contract asks of its instructions."""

from __future__ import annotations

from heapq import heappop, heappush

from insitu.aot.contract import instruction as do
from insitu.aot.contract import values as v
from insitu.aot.contract.effects import APPLY, Effects
from insitu.aot.contract.errors import ContractError
from insitu.aot.contract.functions import (
    BYTES,
    HOST_CALL,
    LIBRARY,
    POLL,
    PROGRAM,
    RESTORE,
    SAVE,
    STUB,
    THUNK,
    TRAP,
    Broken,
    Call,
    Function,
    Surroundings,
    Walk,
)
from insitu.aot.contract.instruction import Instruction
from insitu.aot.contract.values import State, Value
from insitu.port.xip import layout

_FLAGS = (do.COMPARE, do.COMPARE_CONSTANT, do.COMPARE_SHIFTED, do.FORGET_FLAGS)
_MOST_ENTRIES = 1 << 20  # of a jump table


def _in_it_block(i: Instruction) -> tuple[Instruction, bool]:
    """The instruction as it works in an IT block, and whether it changes the flags."""
    rest = tuple(effect for effect in i.effects if effect[0] not in _FLAGS)
    changes = len(rest) < len(i.effects)
    if changes and rest and i.size == 2:
        return Instruction(2, rest, i.flow, i.target, i.register), False
    return i, changes


class Walker:
    """One function, from a state on entry."""

    def __init__(self, around: Surroundings, function: Function, entry: list[Value]) -> None:
        self.around, self.function = around, function
        self.machine = around.architecture
        self.walk = Walk()
        self.effects = Effects(around, function, self.walk)
        self.states: dict[int, State] = {}
        self.pending: list[int] = []
        self.leader: dict[int, int] = {}  # offset of an instruction to the place where its straight line began
        self._decoded: dict[int, Instruction] = {}
        self.calls: dict[int, tuple[Call, list[Value]]] = {}
        # What goes on, and where, when a callee turns out to return: its start to offset and state.
        self.waiting: dict[int, dict[int, State]] = {}
        self.pruned = False  # a way that what is known excludes: a word before code, say, that is read from the image
        self.tails: set[int] = set()  # callees on whose return this function's hangs
        self.returning = False
        self._at = function.start  # the instruction under consideration
        self.enter(entry)

    def enter(self, entry: list[Value]) -> None:
        """Take note of the registers that a caller enters the function with."""
        self._arrive(self.function.start, State(entry))

    def resume(self, callee: int) -> None:
        """The callee at that start returns: go on behind its calls."""
        for at, state in self.waiting.pop(callee, {}).items():
            self._arrive(at, state)
        self.returning |= callee in self.tails

    def run(self) -> Walk:
        """Follow what has not been followed yet. Raises ContractError."""
        while self.pending:
            self._straight(heappop(self.pending))
        self.walk.calls = [call for call, _ in self.calls.values()]
        return self.walk

    def _error(self, at: int, reason: str) -> ContractError:
        return ContractError(self.function.label, at - self.function.start, reason)

    # --- ways through the function ---

    def _arrive(self, at: int, state: State) -> None:
        known = self.states.get(at)
        if known is None:
            self.states[at] = state
            self._again(at)
            begun = self.leader.get(at)
            if begun is not None:  # it was passed on a straight line, whose state has to join here from now on
                self._again(begun)
        else:
            if self._meet(known, state, at):
                self._again(at)

    def _again(self, at: int) -> None:
        """Follow from there on; lower offsets first, so that most ways to a place have met when it is followed."""
        if at not in self.pending:
            heappush(self.pending, at)

    def _meet(self, known: State, state: State, at: int) -> bool:
        try:
            return known.join(state, self.machine.sp, at)
        except v.Mismatch:
            raise self._error(at, "the stack pointer differs from one way to another") from None

    def _straight(self, at: int) -> None:
        """Follow to where control goes on elsewhere, or comes to where it has been. Most of a proof's time is here."""
        begun, state, states, effects = at, self.states[at].copy(), self.states, self.effects
        leader, decoded = self.leader, self._decoded
        try:
            while True:
                self._at = at
                leader[at] = begun
                i = decoded.get(at) or self._decode(at)
                if i.predicates:
                    at, going = self._it_block(i, state, at, begun)
                    if going is None:
                        return
                    state = going
                else:
                    for effect in i.effects:
                        APPLY[effect[0]](effects, effect, state, at)
                    if i.flow and not self._flow(i, state, at):
                        return
                    at += i.size
                if at in states:
                    self._arrive(at, state)
                    return
        except (do.NotAllowed, Broken) as error:
            raise self._error(min(self._at, self.function.end), str(error)) from None

    def _instruction(self, at: int, begun: int) -> Instruction:
        self._at = at
        self.leader[at] = begun
        return self._decoded.get(at) or self._decode(at)

    def _decode(self, at: int) -> Instruction:
        if at >= self.function.end:
            raise Broken("control falls through the end of the function")
        i = self._decoded[at] = self.machine.decode(self.around.code, at)
        self.walk.instructions[at] = i.size
        return i

    def _execute(self, i: Instruction, state: State, at: int) -> State | None:
        """The state behind the instruction; None where control does not come there."""
        self._apply(i, state, at)
        return state if not i.flow or self._flow(i, state, at) else None

    def _apply(self, i: Instruction, state: State, at: int) -> None:
        for effect in i.effects:
            APPLY[effect[0]](self.effects, effect, state, at)

    def _it_block(self, it: Instruction, state: State, at: int, begun: int) -> tuple[int, State | None]:
        """Instructions that are executed on a condition or its opposite: both ways are followed side by side.

        Within the block 16-bit instructions leave the flags alone, but for comparisons (ARM ARM A7.3.2). A way on which
        the flags change forks again. A block right behind, on the same condition, goes on with the same ways.
        """
        condition = it.condition
        ways = self._fork(state, condition)
        while True:
            at += it.size
            for executed in it.predicates:
                i = self._instruction(at, begun)
                if i.predicates:
                    raise Broken("IT within an IT block")
                i, changes = _in_it_block(i)
                holds = executed ^ (it.condition != condition)
                way = ways[holds]
                if way is not None:
                    way = ways[holds] = self._execute(i, way, at)
                if way is not None and changes:
                    forked = self._fork(way, condition)
                    ways = {holds: forked[holds], not holds: self._join(forked[not holds], ways[not holds])}
                at += i.size
            if at in self.states or at >= self.function.end:
                return at, self._join(*ways.values())
            it = self.machine.decode(self.around.code, at)
            if not it.predicates or it.condition not in (condition, do.OPPOSITE[condition]):
                return at, self._join(*ways.values())
            self._instruction(at, begun)

    def _fork(self, state: State, condition: int) -> dict[bool, State | None]:
        taken = state.copy()
        holds, fails = taken.learn(condition), state.learn(do.OPPOSITE[condition])
        self.pruned |= not (holds and fails)
        return {True: taken if holds else None, False: state if fails else None}

    def _join(self, one: State | None, other: State | None) -> State | None:
        if one is None or other is None:
            return one or other
        try:
            one.join(other, self.machine.sp, self._at)
        except v.Mismatch:
            raise Broken("the stack pointer is changed on a condition") from None
        return one

    # --- what control does ---

    def _flow(self, i: Instruction, state: State, at: int) -> bool:
        """Whether control goes on behind the instruction, with state as it is then."""
        if i.flow == do.BRANCH:
            ways = self._fork(state, i.condition)
            taken = ways[True]
            if taken is not None:
                self._branch(at + i.target, taken, at)
            return ways[False] is not None
        if i.flow == do.JUMP:
            self._branch(at + i.target, state, at)
            return False
        if i.flow == do.CALL:
            target = (at + i.target) & 0xFFFFFFFF
            return self._save(i, state, target) if i.kept >= 0 else self._call(at, state, target, at + i.size)
        if i.flow == do.CALL_REGISTER:
            return self._call_register(i, state, at)
        if i.flow == do.JUMP_REGISTER:
            self._jump_register(i, state, at)
            return False
        self._inline_table(i, state, at)
        return False

    def _branch(self, target: int, state: State, at: int) -> None:
        function = self.function
        if function.start <= target < function.end and target != function.start:
            self._arrive(target, state)
        elif target == function.start and not self._as_on_entry(state):
            self._arrive(target, state)  # which finds what differs: the stack pointer, or that it never returns
        elif target in self.around.functions:
            self._tail_call(target, state, at)
        else:
            raise Broken("a jump to what is no function and lies outside of this one")

    def _as_on_entry(self, state: State) -> bool:
        registers, machine = state.registers, self.machine
        return registers[machine.sp] == (v.STACK, 0) and registers[machine.link] == (v.RETURN,)

    def _tail_call(self, target: int, state: State, at: int) -> None:
        callee = self.around.functions[target]
        if callee.kind == TRAP:
            self._call(at, state, target, at)
        elif callee.kind == RESTORE:
            self._jump_register(self._follow(callee, state), state, at)
        else:
            self._left(state)
            self._check_callee(callee, state, at, tail=True)
            self.returning |= callee.returns
            self.tails.add(target)

    def _follow(self, routine: Function, state: State) -> Instruction:
        """What a routine that saves or restores registers does, as if it stood here; the jump at its end."""
        at = routine.start
        while True:
            i = self.machine.decode(self.around.code, at)
            self._apply(i, state, at)
            if i.flow:
                return i
            at += i.size

    def _save(self, i: Instruction, state: State, target: int) -> bool:
        """A call that keeps its return address in a register of its own."""
        callee = self.around.functions.get(target)
        if callee is None or callee.kind != SAVE:
            raise Broken("a call that keeps its return address elsewhere than in the link register")
        end = self._follow(callee, state)
        if (end.flow, end.register, end.target) != (do.JUMP_REGISTER, i.kept, 0):
            raise Broken(f"{callee.label} does not return")
        state.registers[i.kept] = None
        return True

    def _left(self, state: State) -> None:
        """The frame is gone, and registers are as the caller left them."""
        registers, machine = state.registers, self.machine
        if self.function.kind == LIBRARY:
            return
        if registers[machine.sp] != (v.STACK, 0):
            raise Broken("the function is left with a stack pointer that is not the one on entry")
        if registers[machine.link] != (v.RETURN,):
            raise Broken("the function is left without its return address in the link register")
        self._restored(state)

    @staticmethod
    def _not_low(state: State) -> None:
        if state.low:
            raise Broken("control goes on where the operand stack was found full, and not to the trap")

    def _restored(self, state: State) -> None:
        self._not_low(state)
        if self.function.kind == LIBRARY:
            return
        for r in self.machine.saved:
            if state.registers[r] not in self._on_entry(r):
                raise Broken("the function is left with a register changed that belongs to its caller")

    def _on_entry(self, register: int) -> tuple[Value, ...]:
        """What stands for what a register that belongs to the caller held on entry."""
        if register == self.machine.instance and self.function.kept:
            return (v.INSTANCE, 0), (v.KEPT,)
        return ((v.SAVED, register),)

    def _jump_register(self, i: Instruction, state: State, at: int) -> None:
        value = state.registers[i.register]
        if self.function.kind == LIBRARY and (value is None or value[0] not in (v.TARGET, v.ENTRY, v.IMAGE)):
            self.walk.returns.add(state.registers[self.machine.sp][1])  # type: ignore[index]
        elif value is None:
            raise Broken("a jump to an address that nothing is known of")
        elif value == (v.RETURN,) and i.target == 0:
            self.returning = True
            if state.registers[self.machine.sp] != (v.STACK, 0):
                raise Broken("the function returns with a stack pointer that is not the one on entry")
            self._restored(state)
        elif value[0] == v.TARGET:
            self._far_table(value, state, at)
        elif value[0] == v.ENTRY and i.target == 0:
            self._branches_table(value, state, at)
        elif value[0] == v.IMAGE:
            self._branch((value[1] + i.target & 0xFFFFFFFF) & ~self.machine.code_bit, state, at)
        else:
            self._left(state)
            self._check_indirect(value if i.target == 0 else None, state, at, tail=True)
            self.returning = True

    # --- jump tables ---

    def _inline_table(self, i: Instruction, state: State, at: int) -> None:
        """TBB, TBH (ARM ARM A7.7.182): twice the entry behind the instruction."""
        most = state.bound(state.registers[i.register])
        begin = at + i.size
        if most is None or begin + (most + 1) * i.target > self.function.end:
            raise Broken("a jump through a table with an index that was not compared with its length")
        end = begin + (most + 1) * i.target
        self._note_table(begin, end)
        for offset in range(begin, end, i.target):
            entry = int.from_bytes(self.around.code[offset : offset + i.target], "little")
            self._inside(begin + 2 * entry, state)

    def _far_table(self, value: tuple[int, ...], state: State, at: int) -> None:
        """A jump to a base and the distance that an entry holds: of 4 bytes, signed; of fewer, not."""
        _, table, most, width, shift, base = value
        end = table + width * (most + 1)
        if most > _MOST_ENTRIES or end > len(self.around.code):
            raise Broken("a jump table that reaches beyond the code")
        self._note_table(table, end)
        for offset in range(table, end, width):
            entry = self.around.code[offset : offset + width]
            self._inside(base + (int.from_bytes(entry, "little", signed=width == 4) << shift), state)

    def _branches_table(self, value: tuple[int, ...], state: State, at: int) -> None:
        """A jump into a table whose entries are branches."""
        _, table, most, shift = value
        for n in range(most + 1):
            self._inside(table + (n << shift), state)

    def _note_table(self, begin: int, end: int) -> None:
        self.walk.tables[begin] = max(end, self.walk.tables.get(begin, 0))

    def _inside(self, target: int, state: State) -> None:
        target &= ~self.machine.code_bit
        if not self.function.start < target < self.function.end:
            raise Broken("a jump table leads out of the function")
        self._arrive(target, state.copy())

    # --- calls ---

    def _call(self, at: int, state: State, target: int, behind: int) -> bool:
        """A call of target; whether control goes on behind it."""
        callee = self.around.functions.get(target)
        if callee is None and self.machine.far_jumps and self.function.start < target < self.function.end:
            state.registers[self.machine.link] = None
            self._arrive(target, state)
            return False
        if callee is None:
            raise Broken("a call to what is not the start of a function")
        if callee.kind == TRAP:
            self._instance_argument(state)
            self._note(at, state, target, tail=False)
            return False
        self._check_callee(callee, state, at, tail=False)
        if callee.kind == POLL:
            state.registers[self.machine.link] = state.flags = None
            return True
        if callee.far and not self.function.far:
            self._instance_argument(state, self.machine.instance if callee.kept else self.machine.arguments[0])
            self._after_far(state, callee.results)
            return True
        if callee.kind in (LIBRARY, BYTES):
            self._forget_arguments(state)
        self._after_call(state, callee.incoming, callee.results)
        if callee.returns:
            return True
        known = self.waiting.setdefault(target, {}).setdefault(behind, state)
        if known is not state:
            self._meet(known, state, behind)
        return False

    def _check_callee(self, callee: Function, state: State, at: int, tail: bool) -> None:
        ours = self.function.kind
        self._not_low(state)
        if ours in (LIBRARY, BYTES) and callee.kind != LIBRARY and not (self.function.far and callee.kind == HOST_CALL):
            raise Broken(f"a helper calls {callee.label}")
        if callee.kind in (THUNK, STUB):
            raise Broken(f"a call of {callee.label}, which only the runtime enters")
        if callee.kind in (SAVE, RESTORE):
            raise Broken(f"a call of {callee.label} that keeps its return address in the link register")
        if callee.kind == HOST_CALL:
            self._instance_argument(state)
            if not self.function.far:  # it leaves with a trap so, too
                self._check_request(state)
        elif callee.kind == POLL:
            self._instance_argument(state)
        elif callee.kind == PROGRAM:
            self._check_stack(state, tail)
        self._note(at, state, callee.start, tail)

    def _check_stack(self, state: State, tail: bool) -> None:
        if state.checked is None and not tail and self.function.kind != THUNK:
            raise Broken("program code is called before the operand stack was checked")

    def _check_request(self, state: State) -> None:
        request = state.registers[self.machine.arguments[1]]
        if request is None or request[0] != v.CONSTANTS:
            raise Broken("the runtime is asked for what is not a constant")
        if any(n & 0xFF in (layout.REQUEST_RETURN, layout.REQUEST_TRAP) for n in request[1]):
            raise Broken("the runtime is asked for what only the stub asks for")

    def _instance_argument(self, state: State, register: int | None = None) -> None:
        """In the first argument, or another register. Of the far routine: what its caller gave it, which was asked."""
        if self.function.far:
            return
        if state.registers[self.machine.arguments[0] if register is None else register] != (v.INSTANCE, 0):
            raise Broken("the runtime is not given the instance pointer")

    def _call_register(self, i: Instruction, state: State, at: int) -> bool:
        value = state.registers[i.register]
        if i.kept >= 0:
            return self._save(i, state, value[1] + i.target & 0xFFFFFFFF if value and value[0] == v.IMAGE else -1)
        if value and value[0] == v.IMAGE:
            return self._call(at, state, (value[1] + i.target & 0xFFFFFFFF) & ~self.machine.code_bit, at + i.size)
        incoming, results = self._check_indirect(value if i.target == 0 else None, state, at, tail=False)
        self._after_call(state, incoming, results)
        return True

    def _check_indirect(self, value: Value, state: State, at: int, tail: bool) -> tuple[int, int]:
        """A call through a register: of an import's slot, a table's entry, or what a thunk is for.

        Returns the bytes of arguments on the stack and the results that the callee has at most.
        """
        self._not_low(state)
        kind = value[0] if value else -1
        own = self.function
        if value is None or self.function.kind == LIBRARY:
            raise Broken("a call through a register that holds what nothing is known of")
        if kind == v.GIVEN and own.kind == THUNK:
            self._learn_convention(state)
            arguments = own.incoming, own.results
        elif kind == v.IMPORTED:
            arguments = self.around.imports[value[1]]
            owner = (v.OWNER, value[1])
            if owner not in [state.registers[r] for r in self.machine.arguments[:2]]:
                raise Broken("an imported function is not given its own instance pointer")
        elif kind == v.SYMBOL and value[2] == 0 and value[1] in state.words:
            known = [self.around.words.get(word) for word in state.words[value[1]]]
            if None in known:
                raise Broken("a signature word is compared with one that no type has")
            types = [t for t in known if t]
            arguments = max(p for p, _ in types), max(r for _, r in types)
        else:
            raise Broken("a call through a register without comparing the signature word of what is called")
        self._check_stack(state, tail)
        self._note(at, state, None, tail)
        return arguments

    def _learn_convention(self, state: State) -> None:
        """Where a thunk's type has the instance pointer: behind the address of results, if they lie in memory."""
        first, second = self.machine.arguments[:2]
        if state.registers[first] == (v.INSTANCE, 0):
            self.around.conventions[self.function.type] = 0
        elif state.registers[second] == (v.INSTANCE, 0) and self._in_frame(state.registers[first]):
            self.around.conventions[self.function.type] = 1
        else:
            raise Broken("what the thunk calls is not given the instance pointer")

    @staticmethod
    def _in_frame(value: Value) -> bool:
        return value is not None and value[0] == v.STACK and value[1] < 0

    def _note(self, at: int, state: State, callee: int | None, tail: bool) -> None:
        depth = -state.registers[self.machine.sp][1]  # type: ignore[index]
        call = Call(at, depth, state.checked, callee, tail)
        arguments = [state.registers[r] for r in (*self.machine.arguments, self.machine.instance)]
        known = self.calls.get(at)
        if known:
            arguments = [a if a == b else None for a, b in zip(arguments, known[1], strict=True)]
        self.calls[at] = call, arguments

    def _forget_arguments(self, state: State) -> None:
        """What this function was given on the stack, from an address on that a helper is given."""
        given = [
            value[1] for value in (state.registers[r] for r in self.machine.arguments) if value and value[0] == v.STACK
        ]
        lowest = min((place for place in given if place >= 0), default=self.function.incoming)
        for place in [place for place in state.slots if place >= lowest]:
            del state.slots[place]

    def _after_far(self, state: State, results: int) -> None:
        """The far routine changes flags and its result's registers."""
        for r in (*self.machine.arguments[:results], self.machine.link):
            state.registers[r] = None
        state.flags = None

    def _after_call(self, state: State, incoming: int, results: int) -> None:
        """Forget what the callee may have changed: registers, its arguments, and results that it puts in memory."""
        registers = state.registers
        sp = registers[self.machine.sp][1]  # type: ignore[index]
        ranges = [(sp, sp + incoming)]
        for r in self.machine.arguments[:2] if results > 1 else ():
            value = registers[r]
            if value and value[0] == v.STACK:
                ranges.append((value[1], value[1] + 8 * results))
        for r in self.machine.lost:
            registers[r] = None
        slots = state.slots
        for at in list(slots):
            for low, high in ranges:
                if low <= at < high and slots[at] is not None and slots[at][0] not in (v.RETURN, v.SAVED):  # type: ignore[index]
                    del slots[at]
                    break
        state.flags = None
