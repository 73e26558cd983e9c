"""Functions that are followed together: what calls pass goes on to those among them, the rest is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from insitu.aot.contract import functions
from insitu.aot.contract import values as v
from insitu.aot.contract.instruction import NO_REGISTER
from insitu.aot.contract.walk import Walker

if TYPE_CHECKING:
    from insitu.aot.contract.functions import Function, Surroundings, Walk
    from insitu.aot.contract.values import Value


@dataclass(slots=True)
class News:
    """What is new to a group, or of it to others.

    Attributes:
        entered: starts of exposed functions.
        passed: starts of functions, and what a caller gives them: see Group.
        returning: starts of functions that were found to return.
    """

    entered: list[int] = field(default_factory=list)
    passed: list[tuple[int, list[Value]]] = field(default_factory=list)
    returning: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.entered or self.passed or self.returning)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in functions.

    Attributes:
        walks: by start.
        whole: starts of those that every instruction of is part of the program: not of one that calls what never
            returns, or compares what is a constant of the image, for LLVM may not know that, and writes code for the
            other case.
    """

    walks: dict[int, Walk]
    whole: set[int]


class Group:
    """The functions of the program that start in a range of the code.

    What a caller gives a function is the instance pointer, or not: in the register for that (v.KEPT: not), in the
    argument that the type's calling convention says (v.NOT_GIVEN), or, where the function is not exposed, in some of
    the argument registers (None).
    """

    def __init__(self, around: Surroundings, own: range) -> None:
        self.around, self.own = around, own
        self.functions, self.machine = around.functions, around.architecture
        self.walkers: dict[int, Walker] = {}
        # Of the functions that have not been found to return: those that go on, by start, when they are.
        self._waiting: dict[int, dict[int, Walker]] = {}
        self._entries: dict[int, list[Value]] = {}
        self._told: dict[int, list[list[Value]]] = {}

    def follow(self, news: News) -> News:
        """Follow what there is to follow in now; what others are to know. Raises ContractError."""
        told = News()
        pending = list(news.entered)
        for start in news.returning:
            pending += self._return(start)
        pending += [start for start, given in news.passed if self._enter(start, given)]
        while pending:
            pending += self._walk(pending.pop(), told)
        return told

    def found(self) -> Found:
        whole = {start for start, walker in self.walkers.items() if not (walker.waiting or walker.pruned)}
        return Found({start: walker.walk for start, walker in self.walkers.items()}, whole)

    def _walk(self, start: int, told: News) -> list[int]:
        """Follow a function; starts of those that there is more to follow in now."""
        function = self.functions[start]
        if start not in self.walkers:
            self.walkers[start] = Walker(self.around, function, self._entry(start))
        walker = self.walkers[start]
        walker.run()
        more = []
        for call, arguments in walker.calls.values():
            callee = call.callee
            if callee is not None and self.functions[callee].kind == functions.PROGRAM:
                given = self._given(self.functions[callee], arguments)
                if callee not in self.own:
                    self._tell(callee, given, told)
                elif self._enter(callee, given):
                    more.append(callee)
        for callee in (*walker.waiting, *walker.tails):
            self._waiting.setdefault(callee, {})[start] = walker
        if walker.returning and not function.returns:
            more += self._return(start)
            told.returning.append(start)
        return more

    def _tell(self, callee: int, given: list[Value], told: News) -> None:
        known = self._told.setdefault(callee, [])
        if given not in known:
            known.append(given)
            told.passed.append((callee, given))

    def _return(self, start: int) -> list[int]:
        """A function returns; starts of those that go on behind calls of it."""
        self.functions[start].returns = True
        waiting = self._waiting.pop(start, {})
        for walker in waiting.values():
            walker.resume(start)
        return list(waiting)

    def _given(self, callee: Function, arguments: list[Value]) -> list[Value]:
        """An exposed function is given the instance pointer from outside; where it does not use it, LLVM need not
        pass it."""
        *passed, kept = arguments
        if callee.kept:
            return [kept if kept == (v.INSTANCE, 0) else (v.KEPT,)]
        if callee.exposed:
            place = self.around.conventions[callee.type]
            return self._in_argument(place, passed[place] if passed[place] == (v.INSTANCE, 0) else (v.NOT_GIVEN,))
        return [value if value == (v.INSTANCE, 0) else None for value in passed]

    def _enter(self, start: int, given: list[Value]) -> bool:
        """Note what a function is called with; whether that was not known before."""
        function, known = self.functions[start], self._entries.get(start)
        if function.kept:
            if known in (given, [(v.KEPT,)]):
                return False
        elif function.exposed:
            if known is not None or (v.INSTANCE, 0) in given:
                return False
        elif known is not None:
            given = [a if a == b else None for a, b in zip(known, given, strict=True)]
            if given == known:
                return False
        self._entries[start] = given
        if start in self.walkers:
            self.walkers[start].enter(self._entry(start))
        return True

    def _entry(self, start: int) -> list[Value]:
        """The registers on entry."""
        machine, function = self.machine, self.functions[start]
        registers = on_entry(self.around)
        if function.kind == functions.THUNK:
            registers[machine.arguments[0]] = (v.INSTANCE, 0)
            registers[machine.arguments[3]] = (v.GIVEN,)  # behind two that nobody uses: ir.py
        elif function.kept:
            registers[machine.instance] = self._entries[start][0]
        elif start in self._entries:
            for r, value in zip(machine.arguments, self._entries[start], strict=True):
                registers[r] = value
        elif function.exposed:
            registers[machine.arguments[self.around.conventions[function.type]]] = (v.INSTANCE, 0)
        return registers

    def _in_argument(self, place: int, value: Value) -> list[Value]:
        """Of all registers of arguments, one that something is known of."""
        return [value if i == place else None for i in range(len(self.machine.arguments))]


def on_entry(around: Surroundings) -> list[Value]:
    """The registers on entry to any function."""
    machine = around.architecture
    registers: list[Value] = [None] * machine.registers
    registers[machine.sp] = (v.STACK, 0)
    registers[machine.link] = (v.RETURN,)
    for r in machine.saved:
        registers[r] = (v.SAVED, r)
    if machine.zero != NO_REGISTER:
        registers[machine.zero] = v.constant(0)
    return registers
