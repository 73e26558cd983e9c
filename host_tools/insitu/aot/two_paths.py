"""A function whose memory has a window, on two paths: the fast one, in the window, and the slow one, all of it far.

Behind a check that an address lies in the window, accesses near it need none of their own (ranges.py), but only where
nothing comes that was outside. So what fails a check goes on in code of its own, up to where nothing that is known on
the fast path is needed any more; there the two join. On the slow path each access is a call of the far routine, which
serves what lies in the window as well. Both are written side by side, instruction by instruction.

A loop that is written out several times (unroll.py) has one slow path, which all copies go to, and which goes on at the
loop's head.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from insitu.aot.function import FunctionBuilder, Label, Values
from insitu.aot.ranges import State
from insitu.wasm.opcodes import OPCODES, codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from insitu.aot.needs import Needs
    from insitu.aot.plan import Plan
    from insitu.wasm.module import Expression

_BLOCK, _LOOP, _IF, _END = codes("block", "loop", "if", "end")
_OPENING = (_BLOCK, _LOOP, _IF)

Carried = dict[int, dict[int, int]]  # for a loop, by its instruction's index: locals and what they are at most


def _ends(body: Expression) -> dict[int, int]:
    """For each block, by the index of its instruction: that of its end."""
    found, opened = {}, []
    for at, (opcode, _, _) in enumerate(body):
        if opcode in _OPENING:
            opened.append(at)
        elif opcode == _END and opened:
            found[opened.pop()] = at
    return found


@dataclass(slots=True)
class _Path:
    """The path that is not being written: what FunctionBuilder has of one."""

    lines: list[str] = field(default_factory=list)
    stack: Values = field(default_factory=list)
    block: str = ""
    reachable: bool = False
    state: State = field(default_factory=lambda: State({}, {}))


@dataclass(slots=True)
class _Entry:
    """Where the slow path begins with an access.

    Attributes:
        below: height of the operand stack below what differs from way to way.
        phis: type and name of the operands above.
        line: where in the slow path's lines the phis are written, when all ways here are known.
        incoming: for each way, the block it comes from and those operands.
    """

    below: int
    phis: Values
    line: int
    incoming: list[tuple[str, list[str]]] = field(default_factory=list)


@dataclass(slots=True)
class _SlowLabel:
    """A label's other half.

    Attributes:
        at: index of the instruction that opens it; of the function's -1.
        apart: whether the slow path goes on alone behind its end.
        copy: whether it is a copy of the loop around it.
        incoming, known: of the slow path's edges into its end, where it is apart.
        before: what an `if` keeps for its `else`, where the slow path comes to it.
    """

    at: int
    apart: bool
    copy: bool
    incoming: list[tuple[str, list[str]]] = field(default_factory=list)
    known: State | None = None
    before: State | None = None


class TwoPaths(FunctionBuilder):
    """Collects both paths' IR.

    Attributes:
        slow: whether the slow path is being written, or else the fast one.
    """

    def __init__(self, plan: Plan, body: Expression, needs: Needs, carried: Carried, *, survey: bool) -> None:
        """carried: what is checked before a loop instead of in it; survey: find out what is needed, the code is not."""
        super().__init__(plan)
        self._carried = carried
        self._heads: dict[int, tuple[int, int]] = {}  # a root to the loop and the local that it is at the head of
        self._late: list[str] = []
        self.found: Carried = defaultdict(dict)
        self._unknown: set[tuple[int, int]] = set()
        self.slow = False
        self._survey, self._needs, self._needed = survey, needs, needs.before(len(body))
        self._body, self._ends, self._at = body, _ends(body), -1
        counts = Counter(offset for _, _, offset in body)
        self._repeated = {offset for offset, count in counts.items() if count > 1}
        self._entries: dict[int, _Entry] = {}  # by the access's offset in the module
        self._operands: Values = []  # the stack before the instruction at hand
        self._leaving: list[tuple[str, State]] = []
        self._other = _Path()
        self._slow_labels: list[_SlowLabel] = []

    # --- which path ---

    @property
    def _alive(self) -> bool:
        """Whether a slow path leads to the instruction at hand; asked on the fast one."""
        return self._other.reachable

    def _switch(self) -> None:
        here = _Path(self.lines, self.stack, self.block, self.reachable, self.ranges.state)
        other, self._other, self.slow = self._other, here, not self.slow
        self.held = {}
        self.lines, self.stack, self.block, self.reachable = other.lines, other.stack, other.block, other.reachable
        self.ranges.state = other.state

    def begin(self, at: int) -> None:
        """The instruction at that index is next."""
        self._at = at
        opcode = self._body[at][0]
        loop = opcode == _LOOP and at not in self._carried
        brought = opcode in _OPENING and len(self.stack) > (opcode == _IF)
        if self._alive and (loop or brought or not self._needed[at]):
            self._join()

    def _join(self) -> None:
        """The slow path goes on as the fast one."""
        end, slow, block = self.name("b"), self._other, self.block
        slow.lines.append(f"  br label %{end}{self.location}")
        self.line(f"br label %{end}")
        self.start_block(end)
        for i, ((ir_type, fast), (_, value)) in enumerate(zip(self.stack, slow.stack, strict=True)):
            if fast != value:
                phi = self.value(f"phi {ir_type} [ {fast}, %{block} ], [ {value}, %{slow.block} ]")
                self.stack[i] = ir_type, phi
        self.ranges.state = self.ranges.joined(self.ranges.state, slow.state)
        slow.reachable = False

    def emit(self, write: Callable[[], None]) -> None:
        """Write the instruction at hand on the paths that lead to it; what opens a block opens it for both."""
        self._operands = self.stack[:]
        write()
        opcode, _, offset = self._body[self._at]
        if opcode in _OPENING:
            return
        if self._leaving or (self._alive and OPCODES[opcode].width and offset in self._repeated):
            self._enter(offset)
        if self._alive:
            self._switch()
            write()
            self._switch()

    # --- from the fast path to the slow one ---

    def implied(self, address: str, highest: int) -> bool:
        """Whether checks before say that an address is at most this."""
        if not self.ranges.at_most(address, highest):
            return False
        return not self._survey or self._needs.note_use(self.ranges, self.ranges.sum(address).root, self._at)

    def leave_unless(self, near: str) -> None:
        """Where this i1 is false, the instruction at hand is the slow path's, from its beginning on."""
        go_on = self.name("near")
        self.line(f"br i1 {near}, label %{go_on}, label %slow{self._body[self._at][2]}, !prof !likely")
        if not self._survey:
            self._leaving.append((self.block, self.ranges.state.copy()))
        self.start_block(go_on)

    def note_near(self, address: str, highest: int) -> None:
        """The address was checked to be at most this."""
        self.ranges.note_check(address, highest)
        value = self.ranges.sum(address)
        self._needs.note_check(value.root, self._at)
        if value.root in self._heads and value.low == value.high == 0:
            loop, local = self._heads[value.root]
            self.found[loop][local] = min(self.found[loop].get(local, highest), highest)

    def _enter(self, offset: int) -> None:
        """The slow path's code for an access: it begins here, or where its first copy's does."""
        slow, ways, known = self._other, [], None
        if slow.reachable:
            slow.lines.append(f"  br label %slow{offset}{self.location}")
            slow.reachable = False
            ways.append((slow.block, slow.stack))
            known = slow.state
        for block, state in self._leaving:
            ways.append((block, self._operands))
            known = self.ranges.joined(known, state)
        self._leaving = []
        if offset not in self._entries:
            assert known is not None
            self._start(offset, ways[0][1], several=len(ways) > 1 or offset in self._repeated)
            slow.state = self.ranges.unknown() if offset in self._repeated else known
        entry = self._entries[offset]
        entry.incoming += [(block, [operand for _, operand in stack[entry.below :]]) for block, stack in ways]

    def _start(self, offset: int, stack: Values, *, several: bool) -> None:
        slow, below = self._other, self.labels[-1].height if several else len(stack)
        phis = [(ir_type, f"%{self.name('p')}") for ir_type, _ in stack[below:]]
        slow.lines += [f"slow{offset}:", ""]
        slow.stack, slow.block, slow.reachable = [*stack[:below], *phis], f"slow{offset}", True
        self._entries[offset] = _Entry(below, phis, len(slow.lines) - 1)

    def finish(self) -> str:
        """Both paths; the slow one's phis have all their ways now."""
        lines = self._other.lines
        for entry in self._entries.values():
            text = []
            for i, (ir_type, phi) in enumerate(entry.phis):
                edges = ", ".join(f"[ {values[i]}, %{block} ]" for block, values in entry.incoming)
                text.append(f"  {phi} = phi {ir_type} {edges}")
            lines[entry.line] = "\n".join(text)
        return "\n".join([super().finish(), *(line for line in lines if line), *self._late])

    # --- structured control ---

    def open(self, kind: str, params: tuple[str, ...], results: tuple[str, ...]) -> Label:
        """Of both paths."""
        end, around = self._ends.get(self._at), self._slow_labels[-1:]
        copy = kind == "block" and any(self._is_copy_of(label.at) for label in around)
        self._slow_labels.append(_SlowLabel(self._at, end is not None and self._needed[end + 1], copy))
        return super().open(kind, params, results)

    def _is_copy_of(self, at: int) -> bool:
        """Whether the block at hand is one that unroll.py has put around a copy of the loop that begins there."""
        opcode, _, offset = self._body[at]
        return at >= 0 and opcode == _LOOP and offset == self._body[self._at][2]

    def open_loop(self, params: tuple[str, ...], results: tuple[str, ...], changed: set[int]) -> None:
        """Both paths come to a loop's head, so nothing is known there of what was checked but what is carried."""
        carried, slow_head = self._carried.get(self._at, {}), f"slow_loop{self._at}"
        if carried and not self._survey:
            go_on = self.name("b")
            self.line(f"br i1 {self._holds(carried)}, label %{go_on}, label %{slow_head}, !prof !likely")
            self.start_block(go_on)
        super().open_loop(params, results, changed)
        label = self.labels[-1]
        if self._alive:
            self._switch()
            self.line(f"br i1 {self._holds(carried)}, label %{label.branch}, label %{slow_head}")
            label.loop_incoming.append((self.block, []))
            self.leave_unreachable()
            self._switch()
        self.ranges.forget_checks()
        for local in changed:
            self._heads[self.ranges.root(local)] = self._at, local
        for local, highest in carried.items():
            self.ranges.note_local(local, highest)
            self._needs.note_check(self.ranges.root(local), self._at)
        if carried and not self._survey:
            self._begin_slow(slow_head, self.ranges.unknown())

    def _holds(self, carried: dict[int, int]) -> str:
        """i1: each of these locals is at most this."""
        every = "true"
        for local, highest in carried.items():
            holds = self.value(f"icmp ule i32 {self.value(f'load i32, ptr %l{local}')}, {highest}")
            every = self.value(f"and i1 {every}, {holds}")
        return every

    def open_if(self, params: tuple[str, ...], results: tuple[str, ...]) -> None:
        """Of both paths."""
        super().open_if(params, results)
        if self._alive:
            self._switch()
            condition, end = self.pop_condition(), self.labels[-1].end
            self._slow_labels[-1].before = self.ranges.state.copy()
            self.line(f"br i1 {condition}, label %{end}.slow_then, label %{end}.slow_else")
            self.start_block(f"{end}.slow_then")
            self._switch()

    def begin_else(self) -> None:
        """Of both paths."""
        label, slow = self.labels[-1], self._slow_labels[-1]
        self._slow_falls_into_end(label)
        super().begin_else()
        if slow.before is not None:
            self._begin_slow(f"{label.end}.slow_else", slow.before)

    def close(self) -> None:
        """The `end` of the innermost label, of both paths."""
        if self.labels[-1].kind == "if":
            self.begin_else()
        label, slow = self.labels[-1], self._slow_labels.pop()
        if label.kind == "loop":
            super().close()
            return
        self._slow_labels.append(slow)
        self._slow_falls_into_end(label)
        self._slow_labels.pop()
        super().close()
        if slow.known is not None:
            self._begin_slow(f"{label.end}.slow", slow.known)
            self._switch()
            results = self.phis(label.results, slow.incoming)
            del self.stack[label.height :]
            self.stack += zip(label.results, results, strict=True)
            self._switch()

    def _edge_to_loop(self, depth: int, label: Label, at: int) -> str:
        """Where it is not known that what is carried holds, it is checked on the way."""
        known = self.ranges.local_at_most
        if self._survey:
            lost = {n for n, highest in self.found[at].items() if self._counts(n) or not known(n, highest)}
            self._unknown |= {(at, n) for n in lost}
        carried = self._carried.get(at, {})
        roots = [self.ranges.root(n) for n, highest in carried.items() if known(n, highest)]
        for root in roots:
            self._needs.note_use(self.ranges, root, self._at)
        if self._survey or not carried or (len(roots) == len(carried) and not self.slow):
            return super().edge_to(depth)
        again, lines = self.name("again"), self.lines
        self.lines = self._late
        self.lines.append(f"{again}:")
        self.line(f"br i1 {self._holds(carried)}, label %{label.branch}, label %slow_loop{at}, !prof !likely")
        self.lines = lines
        label.loop_incoming.append((again, []))
        return again

    def _counts(self, local: int) -> bool:
        """Whether a local is what it was at a loop's head, and something: LLVM knows how far it goes."""
        return self.ranges.root(local) in self._heads

    def to_carry(self) -> Carried:
        """What the survey says that loops should carry: what each way back to the head knows."""
        return {
            loop: wanted
            for loop, found in self.found.items()
            if (wanted := {n: highest for n, highest in found.items() if (loop, n) not in self._unknown})
            and not self._body[loop][1].params
        }

    def _begin_slow(self, block: str, state: State) -> None:
        """The slow path is at the head of a block, with operands that the fast one has, too."""
        slow = self._other
        slow.lines.append(f"{block}:")
        slow.stack, slow.block, slow.reachable, slow.state = list(self.stack), block, True, state

    def _slow_falls_into_end(self, label: Label) -> None:
        if self._alive:
            self._switch()
            self.line(f"br label %{self.edge_to(0)}")
            self.leave_unreachable()
            self._switch()

    def edge_to(self, depth: int) -> str:
        """Note a branch; the slow path's from one copy of a loop to the next is to the loop's head."""
        if self.slow and self._slow_labels[-1 - depth].copy:
            depth += 1
        label, slow = self.labels[-1 - depth], self._slow_labels[-1 - depth]
        if label.kind == "loop":
            return self._edge_to_loop(depth, label, slow.at)
        if not self.slow or not slow.apart:
            return super().edge_to(depth)
        count = len(label.results)
        slow.incoming.append((self.block, [operand for _, operand in self.stack[len(self.stack) - count :]]))
        slow.known = self.ranges.joined(slow.known, self.ranges.state)
        return f"{label.end}.slow"
