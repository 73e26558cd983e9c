"""Loops of LLVM's IR that walk through memory: each turn reads or writes there, farther on than the turn before.

What they come by is bounds checked, so they end within the memory. Now and then one may begin elsewhere, as an
interpreter does that jumps: the ways on which it does are known, and it walks between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.aot.counted import added, is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from insitu.aot.blocks import Blocks

_FARTHEST = 1 << 12  # that one addition goes: what a turn comes by is far less than 2**32
_SUM = re.compile(r"  \S+ = add (?:nuw |nsw )*i32 (%[\w.$-]+), (%[\w.$-]+)(?=,|$)")
_CHOICE = re.compile(r"  \S+ = select i1 [^,]+, i32 (-?\d+), i32 (-?\d+)(?=,|$)")
_OR = re.compile(r"  \S+ = or disjoint i32 (%[\w.$-]+), (\d+)(?=,|$)")
_PHI = re.compile(r"  (%\S+) = phi i32 ")
_POINTER = re.compile(r"  \S+ = getelementptr (?:inbounds |nuw |nusw )*i8, ptr (%[\w.$-]+), i32 ([^\s,]+)")
_SCALED = re.compile(r"  \S+ = shl (?:nuw |nsw )*i32 (%[\w.$-]+), [1-4](?=,|$)")
_ACCESS = re.compile(r"  (?:\S+ = load (?!volatile|atomic)\S+|store (?!volatile|atomic).*), ptr (%[\w.$-]+)")


@dataclass(frozen=True, slots=True)
class Walk:
    """A loop that walks.

    Attributes:
        head, members: its first block, and all of them.
        position: the phi there that says where the walk is.
        places: other values that say so in a turn, and how much farther on they are at least, the position among them.
        down: whether it walks to lower addresses.
        step: what a turn goes on at least.
        jumps: the ways, from block to block, on which it begins elsewhere, and there.
        parts: other loops in it, that walk on from where it is; it goes on from where they end.
    """

    head: str
    members: frozenset[str]
    position: str
    places: dict[str, int]
    down: bool
    step: int
    jumps: dict[tuple[str, str], str]
    parts: tuple[Walk, ...] = ()

    def closed(self, blocks: Blocks) -> set[tuple[str, str]]:
        """The ways back to the head, and those on which it jumps."""
        return {(name, self.head) for name in self.members if self.head in blocks[name].next} | self.jumps.keys()

    def counts(self, place: str, n: int, least: int = 0) -> tuple[str, list[str]]:
        """What a place counts as, up to 31 for each turn, and the lines that make it, with a number of their own.

        least: what a walk that comes from a place to itself is to count as.
        """
        shift = max(0, self.step.bit_length() - 5)
        more = 0 if self.places.get(place, 0) >= 1 << shift else least << shift
        lines = [f"  %insitu.place{n} = {f'sub i32 {more}, {place}' if self.down else f'add i32 {place}, {more}'}"]
        return f"%insitu.place{n}.scaled", [*lines, f"  %insitu.place{n}.scaled = ashr i32 %insitu.place{n}, {shift}"]

    def at(self, blocks: Blocks) -> dict[tuple[str, str], str] | None:
        """For each way on which it ends or jumps the place that is farthest on; None, if none says where it is."""
        places = [*self._where(blocks)]
        before = {block: blocks.reached(self.head, block) for block in {block for _, block in places} - {self.head}}
        parts = [(behind, self._led_to(blocks, part, behind)) for part, behind in self._behind(blocks)]
        found = {}
        for way in (*self.ends(blocks), *self.jumps):
            name = way[0]
            known = {place for place, block in places if block == name or name not in before.get(block, ())}
            known.intersection_update(*(led for behind, led in parts if name in behind))
            if not known:
                return None
            found[way] = max(sorted(known), key=lambda place: self.places[place])
        return found

    def _behind(self, blocks: Blocks) -> list[tuple[Walk, set[str]]]:
        """The parts, and what comes after each in a turn."""
        return [(part, blocks.reached(part.head, self.head)) for part in self.parts]

    def _where(self, blocks: Blocks) -> Iterator[tuple[str, str]]:
        """Places from which it has not gone back, and their blocks."""
        for member in self.members:
            for name, _ in blocks[member].defined():
                if self.places.get(name, -1) >= 0:
                    yield name, member

    def _led_to(self, blocks: Blocks, part: Walk, behind: set[str]) -> set[str]:
        """Places that are what a part's position is, or farther on. behind: blocks that come after it in a turn."""
        lines = {name: line for block in behind & self.members for name, line in blocks[block].defined()}
        found = lines.keys() & self.places.keys()
        while True:
            missed = {name for name in found - {part.position} if not _made_of(blocks, lines[name], found, behind)}
            if not missed:
                return found
            found -= missed

    def _goes_on(self, blocks: Blocks) -> bool:
        """Whether its parts are what they are said to be."""
        first = next(line for line in blocks[self.head].phis if line.split()[0] == self.position)
        for part, behind in self._behind(blocks):
            led = self._led_to(blocks, part, behind) if part.position in self.places else set()
            ways = [value for name, value in blocks.incoming(first).items() if name in behind & self.members]
            if self.jumps or part.jumps or part.down != self.down or not led.issuperset(ways) or not led:
                return False
        return True

    def whole(self, blocks: Blocks) -> bool:
        """Whether it is known wherever it ends or jumps how far it has come."""
        return self._goes_on(blocks) and self.at(blocks) is not None

    def ends(self, blocks: Blocks) -> list[tuple[str, str]]:
        """The ways out of it that do not lead to a trap."""
        return [
            (name, to)
            for name in blocks
            if name in self.members
            for to in blocks[name].next
            if to not in self.members and not blocks.traps(to)
        ]


def _made_of(blocks: Blocks, line: str, values: set[str], after: set[str]) -> bool:
    """Whether all that a value may be made of, if control comes from one of the blocks, is among these."""
    if _PHI.match(line):
        return all(value in values for name, value in blocks.incoming(line).items() if name in after)
    found = added(line) or _OR.match(line) or _SUM.match(line)
    return found is not None and (found[0] if isinstance(found, tuple) else found[1]) in values


def find(blocks: Blocks, head: str, members: set[str], parts: Sequence[Walk] = ()) -> Walk | None:
    """The loop of these blocks, if it is such a one: what jumps least, if it is several. parts: all loops in it."""
    positions = [found[1] for line in blocks[head].phis if (found := _PHI.match(line))]
    loops = [_Loop(blocks, head, members, down, back) for down in (False, True) for back in (False, True)]
    walks = [walk for loop in loops for position in positions if (walk := loop.walk(position, parts))]
    return min((walk for walk in walks if walk.whole(blocks)), key=lambda walk: len(walk.jumps), default=None)


class _Loop:
    """A loop, and what is added up in it. back: whether it goes back in a turn, by less than it goes on."""

    def __init__(self, blocks: Blocks, head: str, members: set[str], down: bool, back: bool) -> None:
        self._blocks, self._head, self._members, self._down, self._back = blocks, head, members, down, back
        self._latches = [name for name in members if head in blocks[name].next]
        self._sums: dict[str, tuple[str, int]] = {}
        self._phis: dict[str, tuple[str, dict[str, str]]] = {}  # block, and what comes from which
        self._lines = {name: (member, line) for member in members for name, line in blocks[member].defined()}
        for name, (member, line) in self._lines.items():
            if found := self._farther(line):
                self._sums[name] = found
            elif _PHI.match(line) and member != head:
                self._phis[name] = member, blocks.incoming(line)

    def _farther(self, line: str) -> tuple[str, int] | None:
        """What a value is farther on than another one, at least."""
        if disjoint := _OR.match(line):
            of, distances = disjoint[1], [int(disjoint[2])]
        elif constant := added(line):
            of, distances = constant[0], [constant[1]]
        elif (two := _SUM.match(line)) and (distances := self._constants(two[2])):
            of = two[1]
        else:
            return None
        least, *_, most = sorted(-distance if self._down else distance for distance in [*distances, distances[0]])
        return (of, least) if (-_FARTHEST if self._back else 0) <= least and most < _FARTHEST else None

    def _constants(self, name: str) -> list[int]:
        """What a value may be, if it is one of some constants."""
        _, line = self._lines.get(name, ("", ""))
        choice = _CHOICE.match(line)
        values = choice.groups() if choice else self._blocks.incoming(line).values() if _PHI.match(line) else ()
        return [int(value) for value in values] if all(map(is_number, values)) else []

    def walk(self, position: str, parts: Sequence[Walk]) -> Walk | None:
        line = next(line for line in self._blocks[self._head].phis if line.split()[0] == position)
        incoming = self._blocks.incoming(line)
        back = {latch: incoming[latch] for latch in self._latches}
        leading = self._leading(self._related(position, set(self._phis)), set(back.values()))
        related = self._related(position, leading)
        jumps = self._jumps({(self._head, name): value for name, value in back.items()}, related, leading)
        step = min((related[value] for value in back.values() if value in related), default=0)
        if step <= 0 or jumps is None or (jumps and self._back) or not self._reads_each_turn(related, jumps):
            return None
        members = frozenset(self._members)
        return Walk(self._head, members, position, related, self._down, step, jumps, tuple(parts))

    def _related(self, position: str, joining: set[str]) -> dict[str, int]:
        """What is so much farther on than the position, at least; nothing, where it goes back ever more.

        joining: phis that may be something else, too.
        """
        found, changed = {position: 0}, True
        while changed and min(found.values()) > -_FARTHEST:
            changed = False
            for name, (of, distance) in self._sums.items():
                if of in found and found.get(name) != found[of] + distance:
                    found[name], changed = found[of] + distance, True
            for name, (_, incoming) in self._phis.items():
                known = [found[value] for value in incoming.values() if value in found]
                if known and (name in joining or len(known) == len(incoming)) and found.get(name) != min(known):
                    found[name], changed = min(known), True
        return {} if changed else found

    def _leading(self, related: dict[str, int], values: set[str]) -> set[str]:
        """Phis that lead to these values."""
        seen: set[str] = set()
        pending = list(values)
        while pending:
            value = pending.pop()
            if value in related and value not in seen:
                seen.add(value)
                pending += [self._sums[value][0]] if value in self._sums else []
                pending += self._phis[value][1].values() if value in self._phis else []
        return seen & self._phis.keys()

    def _jumps(
        self, back: dict[tuple[str, str], str], related: dict[str, int], leading: set[str]
    ) -> dict[tuple[str, str], str] | None:
        """The ways on which what is no place of the walk becomes one; None: two at once, or an end follows."""
        ways = [*back.items()]
        for phi in leading:
            block, incoming = self._phis[phi]
            ways += [((block, name), value) for name, value in incoming.items()]
        found: dict[tuple[str, str], str] = {}
        for (to, name), value in ways:
            if value not in related and found.setdefault((name, to), value) != value:
                return None
        behind = {block for _, to in found for block in self._blocks.reached(to, self._head)}
        leave = any(block not in self._members and not self._blocks.traps(block) for block in behind)
        return None if leave or any(name in behind for name, _ in found) else found

    def _reads_each_turn(self, related: dict[str, int], jumps: dict[tuple[str, str], str]) -> bool:
        """Whether each way round that does not jump comes by an access at a place of the walk."""
        reading = self._reading(related)
        seen: set[str] = set()
        pending = [self._head]
        while pending:
            name = pending.pop()
            if name in seen or name in reading:
                continue
            seen.add(name)
            for to in self._blocks[name].next:
                if to == self._head and (name, to) not in jumps:
                    return False
                if to in self._members and (name, to) not in jumps:
                    pending.append(to)
        return True

    def _reading(self, related: dict[str, int]) -> set[str]:
        """Blocks with an access to what is so far from a pointer that stays the same, or so many times as far."""
        lines = [(member, line) for member in self._members for line in self._blocks[member].lines]
        indices = related.keys() | {name for name, (_, line) in self._lines.items() if self._moves(line, related)}
        made_of = {name: found.groups() for name, (_, line) in self._lines.items() if (found := _POINTER.match(line))}
        pointers = {name for name, (of, index) in made_of.items() if of not in self._lines and index in indices}
        pointers |= {name for name, (of, index) in made_of.items() if of in pointers and not index.startswith("%")}
        return {member for member, line in lines if (found := _ACCESS.match(line)) and found[1] in pointers}

    def _moves(self, line: str, related: dict[str, int]) -> bool:
        """Whether it makes so many times a place, or a place and what stays the same."""
        if scaled := _SCALED.match(line):
            return scaled[1] in related
        two = _SUM.match(line)
        return two is not None and any(
            one in related and other not in self._lines for one, other in (two.groups(), reversed(two.groups()))
        )
