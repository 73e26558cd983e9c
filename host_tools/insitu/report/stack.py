"""The operand stack by function: frames, the deepest path of calls, and functions that may call themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.aot.contract.functions import PROGRAM, THUNK, CallGraph
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from insitu.aot import Compiled

_MOST_RECURSIONS = 20  # that are named


@dataclass(frozen=True, slots=True)
class Step:
    """A function on the deepest path. Attributes: bytes: of its frame where it calls the next, or asks for room."""

    function: str
    bytes: int


@dataclass(frozen=True, slots=True)
class StackFacts:
    """Attributes:
    needed: bytes that suffice for every call, None with recursion; guard: of these, what no check asks for.
    path: the deepest one; where there is recursion, the deepest without repetition.
    recursions: functions that may call each other, or themselves.
    """

    needed: int | None
    guard: int
    path: list[Step]
    recursions: list[list[str]]


def stack_facts(made: Compiled) -> StackFacts:
    """What the call graph says. The bytes of path and the guard, rounded up to 8, are what is needed."""
    graph = made.stack.graph
    calls = _callees(graph)
    loops = [loop for loop in _loops(calls) if len(loop) > 1 or loop[0] in [callee for _, callee in calls[loop[0]]]]
    needed = made.stack.needed
    return StackFacts(
        needed=None if needed == layout.NONE else needed,
        guard=made.stack.guard,
        path=_path(graph, calls, {start: i for i, loop in enumerate(loops) for start in loop}),
        recursions=[[graph.functions[start].label for start in loop] for loop in loops[:_MOST_RECURSIONS]],
    )


_Calls = dict[int, list[tuple[int, int]]]  # of each function: bytes of the frame at a call, start of the callee


def _callees(graph: CallGraph) -> _Calls:
    """Of the program's functions; a call through a register may be one of any function that is in a table."""
    found: _Calls = {start: [] for start in graph.walks if graph.functions[start].kind == PROGRAM}
    for start, calls in found.items():
        for call in graph.walks[start].calls:
            callees = graph.indirect if call.callee is None else (call.callee,)
            calls += [(call.depth, callee) for callee in callees if callee in found]
    return found


def _path(graph: CallGraph, calls: _Calls, loop_of: dict[int, int]) -> list[Step]:
    """The entry, a thunk, and the functions whose frames add up to the most; no call inside a recursion is followed."""
    best: dict[int, tuple[int, int | None, int]] = {}  # bytes in all, the callee, bytes of the own frame

    def visit(start: int) -> None:
        own = max([call.checked or 0 for call in graph.walks[start].calls], default=0)
        choices: list[tuple[int, int | None, int]] = [(own, None, own)]
        for depth, callee in calls[start]:
            if start not in loop_of or loop_of[start] != loop_of.get(callee):
                choices.append((depth + best[callee][0], callee, depth))
        best[start] = max(choices, key=lambda choice: choice[0])

    followed = {
        start: [c for _, c in found if start not in loop_of or loop_of[start] != loop_of.get(c)]
        for start, found in calls.items()
    }
    _callees_first(followed, visit)
    thunk = max([graph.walks[start].frame for start in graph.walks if graph.functions[start].kind == THUNK], default=0)
    steps = [Step("entry stub", graph.entered), Step("thunk", thunk)]
    at: int | None = max(graph.exposed, key=lambda start: best[start][0], default=None)
    while at is not None:
        _, callee, own = best[at]
        steps.append(Step(graph.functions[at].label, own))
        at = callee
    return steps


def _callees_first(calls: dict[int, list[int]], visit: Callable[[int], None]) -> None:
    """Visit each function after those that it calls, and each once."""
    seen: set[int] = set()
    for root in calls:
        pending = [(root, False)]
        while pending:
            at, done = pending.pop()
            if done:
                visit(at)
            elif at not in seen:
                seen.add(at)
                pending += [(at, True), *((callee, False) for callee in calls[at] if callee not in seen)]


def _loops(calls: _Calls) -> list[list[int]]:
    """The strongly connected components, by Kosaraju's two passes."""
    order: list[int] = []
    _callees_first({start: [callee for _, callee in found] for start, found in calls.items()}, order.append)
    callers: dict[int, list[int]] = {start: [] for start in calls}
    for start, found in calls.items():
        for _, callee in found:
            callers[callee].append(start)
    seen: set[int] = set()
    return [component for start in reversed(order) if (component := _reached(start, callers, seen))]


def _reached(start: int, ways: dict[int, list[int]], seen: set[int]) -> list[int]:
    found, pending = [], [start]
    while pending:
        at = pending.pop()
        if at not in seen:
            seen.add(at)
            found.append(at)
            pending += ways[at]
    return found
