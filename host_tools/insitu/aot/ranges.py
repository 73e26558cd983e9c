"""Between which numbers an i32 is, as far as checks before it say: a check that they imply is not emitted.

LLVM leaves out what earlier checks imply exactly. It cannot know of the slack behind a memory (plan.py): that p is in
bounds implies that p + 4 is in bounds or in the slack. That is found here, before LLVM's passes: what they have already
made of a check would be wrong where it is taken out again.

Where a memory may grow, the highest numbers of checked roots are those for its size at first: what is implied then is
implied when all of them are higher by what it has grown.

A value is a root, which stands for one that nothing is known of, and what was added to it. Roots are numbered in the
order of the code, and what is known of one was checked on every way to the instruction at hand. At the head of a loop,
each local that the loop sets gets a new root: nothing is carried from one round into the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from insitu.wasm.opcodes import codes

if TYPE_CHECKING:
    from insitu.wasm.module import Expression

_ALL = 1 << 32
_ZERO = 0  # the root of constants
_NEAR = 1 << 10  # what is worth to be added to a root
_BLOCK, _LOOP, _IF, _END = codes("block", "loop", "if", "end")
_LOCAL_SET, _LOCAL_TEE = codes("local.set", "local.tee")

Range = tuple[int, int]  # the lowest and the highest; a value is one of them modulo 2^32


class Sum(NamedTuple):
    """A root and something between low and high, modulo 2^32."""

    root: int
    low: int
    high: int


class State(NamedTuple):
    """What is known at a place: each i32 local, and between which numbers roots are."""

    sums: dict[int, Sum]
    ranges: dict[int, Range]

    def copy(self) -> State:
        return State(dict(self.sums), dict(self.ranges))

    def range(self, value: Sum) -> Range | None:
        known = self.ranges.get(value.root)
        return known and (known[0] + value.low, known[1] + value.high)


def _around(one: Range | None, other: Range | None) -> Range | None:
    """What both lie in."""
    if one is None or other is None:
        return None
    low, high = min(one[0], other[0]), max(one[1], other[1])
    return (low, high) if high - low < _ALL // 2 else None


class Ranges:
    """What is known in one function, where its code is being written.

    Attributes:
        state: here.
        joined_from: for a root that stands for what two ways bring, those of the ways.
    """

    def __init__(self, locals_: Iterable[int] = ()) -> None:
        self._roots = _ZERO
        self._sums: dict[str, Sum] = {}  # of operands
        self._pointers: set[int] = set()  # roots
        self.joined_from: dict[int, tuple[int, int]] = {}
        self.state = State({}, {_ZERO: (0, 0)})
        self.forget(locals_)

    def _new(self) -> Sum:
        self._roots += 1
        return Sum(self._roots, 0, 0)

    def sum(self, operand: str) -> Sum:
        """What an i32 operand is: a constant, or one that was seen before, or a root of its own."""
        if not operand.startswith("%"):
            return Sum(_ZERO, int(operand), int(operand))
        known = self._sums.get(operand)
        if known is None:
            known = self._sums[operand] = self._new()
        return known

    def note_number(self, operand: str, low: int, high: int) -> None:
        """operand is one of these numbers."""
        self._sums[operand] = Sum(_ZERO, low, high)

    def note_sum(self, operand: str, one: str, other: str) -> None:
        """operand is the sum of the others: that of the root of one and of the number that the other is."""
        for value, added in ((self.sum(one), self.sum(other)), (self.sum(other), self.sum(one))):
            if added.root == _ZERO and added.high - added.low < _NEAR:
                self._sums[operand] = Sum(value.root, value.low + added.low, value.high + added.high)
                return

    def note_difference(self, operand: str, one: str, other: str) -> None:
        """operand is one less the other."""
        if not other.startswith("%"):
            self.note_sum(operand, one, str(-int(other)))

    def note_shifted(self, operand: str, one: str, by: str) -> None:
        """operand is one, shifted left."""
        root, low, high = self.sum(one)
        if root == _ZERO and 0 <= low <= high < _NEAR and not by.startswith("%"):
            self.note_number(operand, low << int(by) % 32, high << int(by) % 32)

    def note_choice(self, operand: str, one: str, other: str) -> None:
        """operand is one of the others."""
        self._sums[operand] = self._either(self.sum(one), self.state, self.sum(other), self.state, self.state.ranges)

    def note_get(self, operand: str, local: int) -> None:
        self._sums[operand] = self.state.sums[local]

    def note_set(self, local: int, operand: str) -> None:
        self.state.sums[local] = self.sum(operand)

    def note_pointer(self, operand: str) -> None:
        """operand is what the aux stack pointer was at some moment."""
        self._pointers.add(self.sum(operand).root)

    def is_above_pointer(self, operand: str) -> bool:
        """Whether operand is what the aux stack pointer was, or that and less than 2^31."""
        root, low, high = self.sum(operand)
        return root in self._pointers and low == high and low % _ALL < _ALL >> 1

    def note_check(self, operand: str, highest: int) -> None:
        """From here on operand is at most this."""
        root, low, high = self.sum(operand)
        if root == _ZERO:
            return
        known, new = self.state.ranges.get(root), (-high, highest - low)
        if known and _around(known, new):
            new = (max(known[0], new[0]), min(known[1], new[1]))
        self.state.ranges[root] = new

    def at_most(self, operand: str, highest: int) -> bool:
        """Whether operand is known to be at most this here, as a number without sign."""
        return self._at_most(self.sum(operand), highest)

    def _at_most(self, value: Sum, highest: int) -> bool:
        known = self.state.range(value)
        return known is not None and 0 <= known[0] % _ALL <= known[0] % _ALL + known[1] - known[0] <= highest

    def forget(self, locals_: Iterable[int]) -> None:
        """These locals may be anything."""
        self.state.sums.update((local, self._new()) for local in locals_)

    def local_at_most(self, local: int, highest: int) -> bool:
        """Whether a local is known to be at most this here, as a number without sign."""
        return self._at_most(self.state.sums[local], highest)

    def root(self, local: int) -> int:
        """What a local stands on."""
        return self.state.sums[local].root

    def note_local(self, local: int, highest: int) -> None:
        """A local that nothing is known of is at most this."""
        self.state.ranges[self.state.sums[local].root] = 0, highest

    def forget_checks(self) -> None:
        """Of roots, nothing is known."""
        self.state = State(self.state.sums, {_ZERO: (0, 0)})

    def unknown(self) -> State:
        """A state of which nothing is known."""
        return State({local: self._new() for local in self.state.sums}, {_ZERO: (0, 0)})

    def joined(self, one: State | None, other: State) -> State:
        """What is known where two ways meet; None: there is no other way so far."""
        if one is None:
            return other.copy()
        ranges = {_ZERO: (0, 0)}
        return State(
            {local: self._either(value, one, other.sums[local], other, ranges) for local, value in one.sums.items()},
            ranges,
        )

    def _either(self, a: Sum, at_a: State, b: Sum, at_b: State, ranges: dict[int, Range]) -> Sum:
        """One that is a where at_a holds, or b where at_b does; ranges: gets what is known of it."""
        if a.root == b.root:
            known = _around(at_a.ranges.get(a.root), at_b.ranges.get(b.root))
            value = Sum(a.root, min(a.low, b.low), max(a.high, b.high))
        else:
            known = _around(at_a.range(a), at_b.range(b))
            value = self._new()
            self.joined_from[value.root] = a.root, b.root
        if known:
            ranges[value.root] = known
        return value


def set_in_loops(body: Expression) -> dict[int, set[int]]:
    """For each loop, by the index of its instruction: the locals that it sets."""
    found: dict[int, set[int]] = {}
    open_: list[set[int]] = [set()]
    for at, (opcode, immediate, _offset) in enumerate(body):
        if opcode in (_BLOCK, _LOOP, _IF):
            open_.append(set())
            if opcode == _LOOP:
                found[at] = open_[-1]
        elif opcode == _END and len(open_) > 1:
            inner = open_.pop()
            open_[-1] |= inner
        elif opcode in (_LOCAL_SET, _LOCAL_TEE):
            open_[-1].add(immediate)
    return found
