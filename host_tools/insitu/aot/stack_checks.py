"""Where a function checks the operand stack: not at its head but where calls are certain to come, and once at most.

A call that ends a recursion often makes none itself, and a check is as long as all that it does. What lies below the
stack pointer on ways without one is in the stack guard (contract/stack.py; contract/walk.py proves that a check comes
before each call).
"""

from __future__ import annotations

import functools
import re
from collections import Counter

from insitu.aot.blocks import CALLEE, LABEL, PHI, TARGET
from insitu.aot.dominators import Dominators
from insitu.port.xip import layout

_MARK = "call void @insitu_stack_check("
_MOST_PLACES = 3  # of checks in a function: 16 bytes each
_MOST_CALLING = 16  # blocks of a function that are looked at one by one

# With the stack pointer as the prologue left it: LLVM has none behind a use of it.
_CHECK = """  %insitu.at{n} = getelementptr i8, ptr %inst, i32 -{runtime}
  %insitu.cell{n} = load ptr, ptr %insitu.at{n}, align 4
  %insitu.limit.at{n} = getelementptr i8, ptr %insitu.cell{n}, i32 {limit}
  %insitu.limit{n} = load i32, ptr %insitu.limit.at{n}, align 4
  %insitu.sp{n} = call i32 @llvm.read_register.i32(metadata !{{!"sp"}})
  %insitu.low{n} = icmp ult i32 %insitu.sp{n}, %insitu.limit{n}
  br i1 %insitu.low{n}, label %insitu.overflow, label %{rest}, !prof !{{!"branch_weights", i32 1, i32 1048575}}
{rest}:"""
_OVERFLOW = """insitu.overflow:
  call void @insitu_trap(ptr %inst, i32 {trap}) #900
  unreachable"""


def checked(text: str, program: set[str]) -> str:
    """A function's text behind "define ", with its checks; the marks that kept the instance parameter alive are gone.

    program: names of functions that ask themselves.
    """
    body, end, behind = text.partition("\n}")
    lines = [line for line in body.split("\n") if _MARK not in line]
    if len(lines) > body.count("\n"):
        return text
    graph = _Graph(lines)
    calling = [block for block in graph.lines if any(_calls(line, program) for line in graph.lines[block])]
    places = graph.places(calling)
    for place in places:
        if place in graph.edges:
            lines = _with_block(lines, place, *graph.edges[place])
    if places:
        lines = _with_checks(lines, places)
    return "\n".join(lines) + end + behind


def _calls(line: str, program: set[str]) -> bool:
    callee = CALLEE.search(line)
    return callee is not None and (callee[1][0] == "%" or callee[1][1:] in program)


class _Graph:
    """The blocks of a function by name, the first one first, and how control goes from one to another."""

    def __init__(self, lines: list[str]) -> None:
        self.lines: dict[str, list[str]] = {}
        for line in lines[1:]:
            label = LABEL.match(line)
            if label:
                self.lines[label[1]] = current = []
            else:
                current.append(line)
        self.next = {
            block: [to for line in body if "label %" in line for to in TARGET.findall(line)]
            for block, body in self.lines.items()
        }
        self.edges: dict[str, tuple[str, str]] = {}
        self._open_edges()

    def _open_edges(self) -> None:
        """Where a block branches to two and one of them is come to from elsewhere, too: a block between, if need be.

        A loop's head is one, with what comes back to it.
        """
        entries = Counter(to for ways in self.next.values() for to in ways)
        for block in self.lines:
            ways = self.next[block]
            if len(ways) == 2 and ways[0] != ways[1]:
                for i, to in enumerate(ways):
                    if entries[to] > 1:
                        between = f"insitu.edge{len(self.edges)}"
                        self.edges[between] = block, to
                        ways[i], self.next[between] = between, [to]

    def reached(self, block: str) -> set[str]:
        """Where control can come from the end of a block."""
        found: set[str] = set()
        pending = [block]
        while pending:
            new = [to for to in self.next[pending.pop()] if to not in found]
            found.update(new)
            pending += new
        return found

    @functools.cached_property
    def _over(self) -> Dominators[str]:
        return Dominators(self.next, next(iter(self.lines)))

    def _once(self, block: str) -> str:
        """The last block on every way to this one that is in no loop."""
        looping: set[str] = set()
        while True:
            if block not in looping:
                reached = self.reached(block)
                if block not in reached:
                    return block
                looping |= reached  # of what leads here, those that can be come to from here, too, are in the loop
            block = self._over.nearest[block]

    def places(self, calling: list[str]) -> list[str]:
        """Blocks, of which at most one is executed in a call and one is before each block of calling."""
        reached = [block for block in calling if block in self._over.order]
        if len(reached) > _MOST_CALLING:
            reached = [functools.reduce(self._over.common, reached)]
        places = list(dict.fromkeys(self._once(block) for block in reached))
        while len(places) > 1:
            pair = self._in_sequence(places)
            if pair is None and len(places) <= _MOST_PLACES:
                break
            a, b = pair or places[:2]
            places = [place for place in places if place not in (a, b)]
            joined = self._once(self._over.common(a, b))
            places += [joined] if joined not in places else []
        return places

    def _in_sequence(self, places: list[str]) -> tuple[str, str] | None:
        for a in places:
            reached = self.reached(a)
            for b in places:
                if b in reached:
                    return a, b
        return None


def _with_block(lines: list[str], between: str, block: str, to: str) -> list[str]:
    """A block of its own for the way from block to another."""
    target = re.compile(rf"label %{re.escape(to)}(?![\w.$-])")
    made, current = [], ""
    for line in lines:
        label = LABEL.match(line)
        current = label[1] if label else current
        if current == block:
            line = target.sub(f"label %{between}", line)
        elif current == to and PHI.match(line):
            line = line.replace(f", %{block} ]", f", %{between} ]")
        made.append(line)
    return [*made, f"{between}:", f"  br label %{to}"]


def _with_checks(lines: list[str], places: list[str]) -> list[str]:
    rest = {place: f"insitu.checked{n}" for n, place in enumerate(places)}
    made: list[str] = []
    opened = ""  # the place whose phis come first
    for line in lines:
        if opened and not PHI.match(line):
            made.append(_check(places.index(opened), rest[opened]))
            opened = ""
        if PHI.match(line):
            for place, name in rest.items():
                line = line.replace(f", %{place} ]", f", %{name} ]")
        made.append(line)
        label = LABEL.match(line)
        opened = label[1] if label and label[1] in rest else opened
    return [*made, _OVERFLOW.format(trap=layout.TRAP_OPERAND_STACK_OVERFLOW)]


def _check(n: int, rest: str) -> str:
    return _CHECK.format(n=n, rest=rest, runtime=layout.INSTANCE_RUNTIME, limit=layout.CELL_LIMIT)
