"""How much operand stack the code takes: the guard below a checked stack pointer, and what calls need in all.

docs/SPEC.md, "The operand stack check", has the reasoning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.aot.contract import instruction as do
from insitu.aot.contract.errors import ContractError
from insitu.aot.contract.functions import BYTES, HOST_CALL, LIBRARY, POLL, PROGRAM, THUNK, CallGraph, Function, Walk
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from insitu.aot.contract.instruction import Architecture

_MOST_OF_STUB = 256  # bytes in which the entry stub calls its thunk
_DEEPEST = 400  # calls in each other; of more, no stack size is told


@dataclass(frozen=True, slots=True)
class StackUse:
    """Bytes of operand stack.

    Attributes:
        guard: what the checks must leave free below the stack pointer; see docs/SPEC.md.
        needed: the smallest stack that suffices for any call of an exposed function, or layout.NONE with
            recursion. What functions of other instances need, which imports may be bound to, comes on top.
        graph: what they are sums over.
        saved: what the stub saves where code leaves for the runtime.
    """

    guard: int
    needed: int
    graph: CallGraph
    saved: int


class _Recursion(Exception):
    """A function that may call itself."""


def save_area(machine: Architecture, code: bytes, host_call: Function) -> int:
    """What the stub pushes onto the operand stack when code leaves for the runtime, read off its instructions."""
    at, depth = host_call.start, 0
    while True:
        i = machine.decode(code, at)
        depth -= _moved(machine, i)
        if i.flow == do.JUMP:
            return depth
        if i.flow:
            raise ContractError(host_call.label, at - host_call.start, "the stub leaves in another way than by a jump")
        at += i.size


def pushed(machine: Architecture, code: bytes, routine: Function) -> int:
    """What a routine has pushed where it calls the first time."""
    at, depth = routine.start, 0
    while True:
        i = machine.decode(code, at)
        if i.flow:
            return depth
        depth -= _moved(machine, i)
        at += i.size


def _moved(machine: Architecture, i: do.Instruction) -> int:
    return sum(e[3] for e in i.effects if e[0] == do.ADD and e[1] == e[2] == machine.sp)


def entered_depth(machine: Architecture, code: bytes, enter: Function) -> int:
    """What the stub has on the operand stack when it calls a thunk: what it pushes after it has switched to it.

    It switches by setting sp, or by system registers, whose instructions are none that program code may have.
    """
    at, depth, switched = enter.start, 0, False
    while at < enter.start + _MOST_OF_STUB:
        try:
            i = machine.decode(code, at)
        except do.NotAllowed:
            at, switched, depth = at + 4, True, 0
            continue
        if any(e[:2] in ((do.COPY, machine.sp), (do.LOAD, machine.sp)) for e in i.effects):
            switched, depth = True, 0
        depth -= _moved(machine, i)
        if i.flow == do.CALL_REGISTER and switched:
            return depth
        at += i.size
    raise ContractError(enter.label, 0, "the stub calls no thunk")


class Stack:
    """The sums over the walks of all functions. saved, polled: what the stub has on the stack where code left by it."""

    def __init__(self, functions: dict[int, Function], walks: dict[int, Walk], saved: int, polled: int) -> None:
        self.functions, self.walks = functions, walks
        self._left = {HOST_CALL: saved, POLL: polled}
        self._chains: dict[int, int] = {}
        self._depths: dict[int, int] = {}
        self._open: set[int] = set()

    def _starts(self, kind: int) -> list[int]:
        return [start for start in self.walks if self.functions[start].kind == kind]

    def guard(self, entered: int, exception_frame: int) -> int:
        """Below a stack pointer that was checked: a thunk that Python's call starts, any function of the program
        and what it has below it without asking, an interrupt.
        """
        thunk = max([self.walks[start].frame for start in self._starts(THUNK)], default=0)
        program = max([self._room(start) for start in self._starts(PROGRAM)], default=0)
        return (entered + thunk + program + self._unchecked() + exception_frame + 7) & ~7

    def _room(self, start: int) -> int:
        """Of one function: its frame, or where it calls a helper or leaves for the runtime, that and its chain."""
        walk = self.walks[start]
        below = [call.depth + self._chain(call.callee) for call in walk.calls if call.callee is not None]
        return max([walk.frame, *below])

    def _chain(self, start: int) -> int:
        """Of a library helper: its frame and those below. 0 for the program's functions, which ask themselves."""
        kind = self.functions[start].kind
        if kind in self._left:
            return self._left[kind]
        if kind not in (LIBRARY, BYTES):
            return 0
        if start not in self._chains:
            if start in self._open:
                raise ContractError(self.functions[start].label, 0, "a library helper that calls itself")
            self._open.add(start)
            walk = self.walks[start]
            below = [call.depth + self._chain(call.callee) for call in walk.calls if call.callee is not None]
            self._chains[start] = max([walk.frame, *below])
            self._open.remove(start)
        return self._chains[start]

    def _unchecked(self) -> int:
        """By how much a frame grows between its check and a call of program code, at most."""
        grown = [0]
        for start in self._starts(PROGRAM):
            for call in self.walks[start].calls:
                if call.checked is not None and not call.tail and self._is_program(call.callee):
                    grown.append(call.depth - call.checked)
        return max(grown)

    def _is_program(self, callee: int | None) -> bool:
        return callee is None or self.functions[callee].kind == PROGRAM

    def needed(self, exposed: Iterable[int], indirect: Iterable[int], entered: int, guard: int) -> int:
        """Below a thunk, the deepest path to a check, and the guard below that; layout.NONE with recursion.

        exposed, indirect: starts of the functions that Python, and calls through registers, may reach.
        """
        thunk = max([self.walks[start].frame for start in self._starts(THUNK)], default=0)
        try:
            deepest = max([self._depth(start, tuple(indirect)) for start in exposed], default=0)
        except _Recursion:
            return layout.NONE
        return (entered + thunk + deepest + guard + 7) & ~7

    def _depth(self, start: int, indirect: tuple[int, ...]) -> int:
        """The deepest stack pointer below this function's that is compared with the limit."""
        if start in self._open or len(self._open) > _DEEPEST:
            raise _Recursion
        if start not in self._depths:
            self._open.add(start)
            depth = 0
            for call in self.walks[start].calls:
                depth = max(depth, call.checked or 0)
                if call.callee is None:
                    depth = max([depth, *(call.depth + self._depth(callee, indirect) for callee in indirect)])
                elif self.functions[call.callee].kind == PROGRAM:
                    depth = max(depth, call.depth + self._depth(call.callee, indirect))
            self._open.remove(start)
            self._depths[start] = depth
        return self._depths[start]
