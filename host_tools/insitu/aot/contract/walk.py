"""Follows one function along every way through it and proves what the contract asks of its instructions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from insitu.aot.contract import instruction as do
from insitu.aot.contract import values as v
from insitu.aot.contract.errors import ContractError
from insitu.aot.contract.instruction import Instruction
from insitu.aot.contract.values import State, Value
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.contract.instruction import Architecture, Effect

# Kinds of functions. HOST_CALL and TRAP are the stub's; LIBRARY is compiler-rt's; BYTES are those of aot/alignment.py.
PROGRAM, THUNK, LIBRARY, HOST_CALL, TRAP, STUB, BYTES = range(7)
_FLAGS = (do.COMPARE, do.COMPARE_CONSTANT, do.FORGET_FLAGS)
# What may be part of an address of linear memory or of a table.
_ADDRESSES = (v.SYMBOL, v.WORD, v.BOUNDED, v.SCALED, v.CONSTANTS)
_MOST_ENTRIES = 1 << 20  # of a jump table


@dataclass(slots=True)
class Function:
    """A function of the linked code.

    Attributes:
        name: of its symbol; label: what a person is told.
        start, size: bytes of the code, Thumb's bit taken off.
        kind: PROGRAM, THUNK...
        incoming: bytes of its arguments that lie on the stack, at most.
        results: how many it has; more than one may lie in memory that the caller gives.
        exposed: whether it can be reached other than by a direct call, and so has its type's calling convention.
        type: index of that type.
        returns: whether it is known to come back to its caller. Of the program's functions, found out by following
            them: behind a call of one that always traps LLVM lets a function end.
    """

    name: str
    label: str
    start: int
    size: int
    kind: int
    incoming: int = 0
    results: int = 0
    exposed: bool = False
    type: int = -1
    returns: bool = True

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        at: offset of the instruction; depth: bytes of the frame then.
        checked: how deep the stack pointer that was compared with the limit lay; None: none was.
        callee: start of a function, or None: through a register.
        tail: whether the frame is gone and the callee returns to the caller's caller.
    """

    at: int
    depth: int
    checked: int | None
    callee: int | None
    tail: bool


@dataclass(slots=True)
class Walk:
    """What was found in one function.

    Attributes:
        frame: bytes.
        instructions: offset to size.
        constants: offsets of words that are read as data.
        tables: jump tables: offset to end.
        returns: of a library helper: where the stack pointer is when it returns, from where it was on entry. Not 0
            only in the ends of functions that LLVM's outliner made one of, which are jumped to.
    """

    frame: int = 0
    calls: list[Call] = field(default_factory=list)
    instructions: dict[int, int] = field(default_factory=dict)
    constants: set[int] = field(default_factory=set)
    tables: dict[int, int] = field(default_factory=dict)
    returns: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Surroundings:
    """What the functions of one image have in common.

    Attributes:
        code: the linked bytes.
        functions: by start.
        imports: distances of the import slots below the instance pointer.
        words: signature words of the module's types; (bytes of arguments on the stack, results) of such a type.
        writable: (lowest, end) distances from the instance pointer that program code may write at constant offsets.
        readable: the same of reading.
        conventions: type index to the argument register that brings the instance pointer: 0, or 1 behind the address
            of results that lie in memory.
    """

    architecture: Architecture
    code: bytes
    functions: dict[int, Function]
    imports: frozenset[int]
    words: dict[int, tuple[int, int]]
    writable: list[tuple[int, int]]
    readable: list[tuple[int, int]]
    conventions: dict[int, int]


def _in_it_block(i: Instruction) -> tuple[Instruction, bool]:
    """The instruction as it works in an IT block, and whether it changes the flags."""
    rest = tuple(effect for effect in i.effects if effect[0] not in _FLAGS)
    changes = len(rest) < len(i.effects)
    if changes and rest and i.size == 2:
        return Instruction(2, rest, i.flow, i.target, i.register), False
    return i, changes


class Broken(Exception):
    """The contract is broken at the instruction under consideration."""


class Walker:
    """One function, from a state on entry."""

    def __init__(self, around: Surroundings, function: Function, entry: list[Value]) -> None:
        self.around, self.function = around, function
        self.machine = around.architecture
        self.walk = Walk()
        self.states: dict[int, State] = {}
        self.pending: list[int] = []
        self.leader: dict[int, int] = {}  # offset of an instruction to the place where its straight line began
        self.calls: dict[int, tuple[Call, list[Value]]] = {}
        # What goes on, and where, when a callee turns out to return: its start to offset and state.
        self.waiting: dict[int, dict[int, State]] = {}
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
            self._straight(self.pending.pop())
        self.walk.calls = [call for call, _ in self.calls.values()]
        return self.walk

    def _error(self, at: int, reason: str) -> ContractError:
        return ContractError(self.function.label, at - self.function.start, reason)

    # --- ways through the function ---

    def _arrive(self, at: int, state: State) -> None:
        known = self.states.get(at)
        if known is None:
            self.states[at] = state
            self.pending.append(at)
            begun = self.leader.get(at)
            if begun is not None:  # it was passed on a straight line, whose state has to join here from now on
                self.pending.append(begun)
        else:
            if self._meet(known, state, at) and at not in self.pending:
                self.pending.append(at)

    def _meet(self, known: State, state: State, at: int) -> bool:
        try:
            return known.join(state, self.machine.sp, at)
        except v.Mismatch:
            raise self._error(at, "the stack pointer differs from one way to another") from None

    def _straight(self, at: int) -> None:
        begun, state, end = at, self.states[at].copy(), self.function.end
        try:
            while True:
                i = self._instruction(at, begun)
                if i.predicates:
                    at, going = self._it_block(i, state, at, begun)
                else:
                    going = self._execute(i, state, at)
                    at += i.size
                if going is None:
                    return
                state = going
                if at in self.states:
                    self._arrive(at, state)
                    return
        except (do.NotAllowed, Broken) as error:
            raise self._error(min(self._at, end), str(error)) from None

    def _instruction(self, at: int, begun: int) -> Instruction:
        self._at = at
        if at >= self.function.end:
            raise Broken("control falls through the end of the function")
        i = self.machine.decode(self.around.code, at)
        self.walk.instructions[at] = i.size
        self.leader[at] = begun
        return i

    def _execute(self, i: Instruction, state: State, at: int) -> State | None:
        """The state behind the instruction; None where control does not come there."""
        for effect in i.effects:
            self._apply(effect, state, at)
        return state if not i.flow or self._flow(i, state, at) else None

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

    @staticmethod
    def _fork(state: State, condition: int) -> dict[bool, State | None]:
        taken = state.copy()
        holds, fails = taken.learn(condition), state.learn(do.OPPOSITE[condition])
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
            taken = state.copy()
            if taken.learn(i.condition):
                self._branch(at + i.target, taken, at)
            return state.learn(do.OPPOSITE[i.condition])
        if i.flow == do.JUMP:
            self._branch(at + i.target, state, at)
            return False
        if i.flow == do.CALL:
            return self._call(at, state, (at + i.target) & 0xFFFFFFFF, at + i.size)
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
        elif target == function.start and state.registers[self.machine.sp] != (v.STACK, 0):
            self._arrive(target, state)  # which finds that the stack pointer differs
        elif target in self.around.functions:
            self._tail_call(target, state, at)
        else:
            raise Broken("a jump to what is no function and lies outside of this one")

    def _tail_call(self, target: int, state: State, at: int) -> None:
        callee = self.around.functions[target]
        if callee.kind == TRAP:
            self._call(at, state, target, at)
        else:
            self._left(state)
            self._check_callee(callee, state, at, tail=True)
            self.returning |= callee.returns
            self.tails.add(target)

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
            if state.registers[r] != (v.SAVED, r):
                raise Broken("the function is left with a register changed that belongs to its caller")

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
        if ours in (LIBRARY, BYTES) and callee.kind != LIBRARY:
            raise Broken(f"a helper calls {callee.label}")
        if callee.kind in (THUNK, STUB):
            raise Broken(f"a call of {callee.label}, which only the runtime enters")
        if callee.kind == HOST_CALL:
            self._instance_argument(state)
            self._check_request(state)
        elif callee.kind == PROGRAM:
            self._check_stack(state, tail)
            if callee.exposed and callee.type in self.around.conventions:
                register = self.machine.arguments[self.around.conventions[callee.type]]
                if state.registers[register] != (v.INSTANCE, 0):
                    raise Broken(f"{callee.label} is not given the instance pointer")
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

    def _instance_argument(self, state: State) -> None:
        if state.registers[self.machine.arguments[0]] != (v.INSTANCE, 0):
            raise Broken("the runtime is not given the instance pointer")

    def _call_register(self, i: Instruction, state: State, at: int) -> bool:
        value = state.registers[i.register]
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
            arguments = own.incoming, own.results
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
        arguments = [state.registers[r] for r in self.machine.arguments]
        known = self.calls.get(at)
        if known:
            arguments = [a if a == b else None for a, b in zip(arguments, known[1], strict=True)]
        self.calls[at] = call, arguments

    def _after_call(self, state: State, incoming: int, results: int) -> None:
        """Forget what the callee may have changed: registers, its arguments, and results that it puts in memory."""
        registers = state.registers
        sp = registers[self.machine.sp][1]  # type: ignore[index]
        ranges = [(sp, sp + incoming)]
        for r in self.machine.arguments[:2]:
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

    # --- what an instruction does to registers ---

    def _apply(self, effect: Effect, state: State, at: int) -> None:
        kind = effect[0]
        registers = state.registers
        if kind == do.WRITE:
            if effect[1] == self.machine.sp:
                raise Broken("the stack pointer is changed by what is no constant")
            registers[effect[1]] = None
        elif kind == do.COPY:
            self._set(state, effect[1], registers[effect[2]])
        elif kind == do.LOAD:
            self._set(state, effect[1], self._load(state, effect, at))
            self._named(state, effect, at)
        elif kind == do.STORE:
            self._store(state, effect)
        elif kind == do.ADD:
            self._set(state, effect[1], self._plus(registers[effect[2]], effect[3]))
        elif kind == do.SET:
            self._set(state, effect[1], v.constant(effect[2]))
        elif kind == do.COMPARE_CONSTANT:
            self._compare(state, at, effect[1], v.constant(effect[2]))
        elif kind == do.COMPARE:
            self._compare_registers(state, at, effect[1], effect[2])
        elif kind == do.BOUND:
            self._set(state, effect[1], (v.BOUNDED, effect[2]))
        elif kind == do.SUM:
            self._set(state, effect[1], self._sum(state, effect[2], effect[3], effect[4]))
        elif kind == do.SHIFT:
            self._set(state, effect[1], self._shifted(state, registers[effect[2]], effect[3]))
        elif kind == do.FORGET_FLAGS:
            state.flags = None
        elif kind == do.LOAD_AT:
            self._set(state, effect[1], self._load_at(state, effect))
            self._named(state, effect, at)
        elif kind == do.STORE_AT:
            self._store_at(state, effect)
        elif kind == do.SET_HIGH:
            low = v.number(registers[effect[1]])
            high = None if low is None else v.constant(low & 0xFFFF | effect[2] << 16)
            self._set(state, effect[1], high)
        elif kind == do.DIFFERENCE:
            self._set(state, effect[1], self._difference(registers[effect[2]], registers[effect[3]]))
        elif kind == do.PC:
            self._set(state, effect[1], (v.IMAGE, (at & -effect[3]) + effect[2]))
        elif kind == do.LITERAL:
            value = self._literal((at & -effect[3]) + effect[2])
            if effect[1] != do.NO_REGISTER:
                self._set(state, effect[1], value)
        elif kind == do.SUM_PC:
            self._set(state, effect[1], self._from_image(state, at + effect[3], registers[effect[2]]))

    def _set(self, state: State, register: int, value: Value) -> None:
        if register == self.machine.sp:
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
        if kind == v.CONSTANTS:
            return (kind, frozenset(c + n & 0xFFFFFFFF for c in value[1]))
        if kind in (v.SYMBOL, v.WORD):
            return (kind, value[1], value[2] + n)
        if kind == v.ENTRY:
            return (kind, value[1] + n, *value[2:])
        return None

    def _sum(self, state: State, a: int, b: int, shift: int) -> Value:
        first, second = state.registers[a], state.registers[b]
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
        most = state.bound(value)
        return None if most is None or most << shift >= 1 << 32 else (v.SCALED, most, shift)

    def _literal(self, offset: int) -> Value:
        self.walk.constants.add(offset)
        return v.constant(int.from_bytes(self.around.code[offset : offset + 4], "little"))

    # --- comparisons ---

    def _compare(self, state: State, at: int, register: int, with_what: Value) -> None:
        value = state.registers[register]
        kind = value[0] if value else v.BOUNDED
        if kind == v.BOUNDED or (kind == v.SYMBOL and value[2]) or (kind == v.CONSTANTS and len(value[1]) > 1):  # type: ignore[index]
            state.name(register, at << 1)
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

    def _named(self, state: State, effect: Effect, at: int) -> None:
        """A word that was loaded from somewhere has a name: it may be a function's address, and copied before use."""
        if effect[-1] == 4 and state.registers[effect[1]] is None and effect[1] != self.machine.sp:
            state.name(effect[1], at << 1)

    def _load(self, state: State, effect: Effect, at: int) -> Value:
        _, d, base, offset, width = effect
        value = state.registers[base]
        if value is None and offset == -4 - self.machine.code_bit and width == 4 and base != d:
            state.name(base, at << 1 | 1)
            return (v.WORD, at << 1 | 1, 0)
        return self._read(state, value, offset, width)

    def _read(self, state: State, value: Value, offset: int, width: int) -> Value:
        """What lies at value + offset."""
        unknown = (v.BOUNDED, (1 << 8 * width) - 1) if width < 4 else None
        if value is None:
            return unknown
        kind = value[0]
        if kind == v.STACK:
            place = value[1] + offset
            self._in_own_stack(state, place, width)
            return state.slots.get(place) if width == 4 else unknown
        if kind == v.INSTANCE:
            found = self._load_instance(value[1] + offset, width)
            return found if width == 4 else unknown
        if kind == v.ENTRY and width == 1 << value[3]:
            return (v.DISTANCE, value[1] + offset, value[2], width, 0)
        if width < 4:
            return unknown
        if kind == v.CELL and value[1] + offset == layout.CELL_LIMIT:
            return (v.LIMIT,)
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

    def _load_at(self, state: State, effect: Effect) -> Value:
        _, _, base, index, shift, width = effect
        place = self._sum(state, base, index, shift)
        if place is None and self.function.kind != LIBRARY and self._any_stack(state, base, index):
            raise Broken("the frame is read at an offset that is no constant")
        return self._read(state, place, 0, width)

    @staticmethod
    def _any_stack(state: State, *registers: int) -> bool:
        values = [state.registers[r] for r in registers]
        return any(value is not None and value[0] == v.STACK for value in values)

    def _store(self, state: State, effect: Effect) -> None:
        _, source, base, offset, width = effect
        if state.registers[base] is not None:
            self._write(state, state.registers[base], offset, width, source)

    def _store_at(self, state: State, effect: Effect) -> None:
        _, source, base, index, shift, width = effect
        place = self._sum(state, base, index, shift)
        if place is not None:
            self._write(state, place, 0, width, source)
            return
        for value in (state.registers[base], state.registers[index]):
            if value and value[0] not in _ADDRESSES and value[0] != v.INSTANCE:
                raise Broken("a write at an offset that is no constant from what is not linear memory")

    def _write(self, state: State, value: Value, offset: int, width: int, source: int) -> None:
        """A store to value + offset, which is known."""
        assert value is not None
        kind = value[0]
        if kind == v.STACK:
            place = value[1] + offset
            self._in_own_stack(state, place, width)
            if width == 4 and place % 4 == 0 and source != do.NO_REGISTER:
                state.slots[place] = state.registers[source]
            else:
                for word in range(place & ~3, place + width, 4):
                    state.slots.pop(word, None)
        elif kind == v.INSTANCE:
            place = value[1] + offset
            if not any(low <= place <= high - width for low, high in self.around.writable):
                raise Broken(f"a write at {place} from the instance pointer, where program code must not write")
        elif kind not in _ADDRESSES:
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
