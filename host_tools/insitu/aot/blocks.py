"""A function of LLVM's IR as text: its blocks, and how control goes from one to another."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from insitu.aot.loops import cycles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

LABEL = re.compile(r"([\w.$-]+):")
TARGET = re.compile(r"label %([\w.$-]+)")
NAME = re.compile(r"%[\w.$-]+")
PHI = re.compile(r"  %\S+ = phi ")
BRANCH = re.compile(r"  br i1 (%[\w.$-]+), label %([\w.$-]+), label %([\w.$-]+)")
_FUNCTION = re.compile(r"@([\w.$-]+)\(")
CALLEE = re.compile(r"\bcall\b.*?([@%][\w.$-]+)\(")
_NUMBER = re.compile(r"(?m)(%|^)(\d+)\b")  # of a value or a block without a name, which LLVM wants in order
_LOCATION = re.compile(r", !dbg !\d+")
_INCOMING = re.compile(r"\[ ([^\[\]]*), %([\w.$-]+) \]")


def renamed(line: str, names: dict[str, str]) -> str:
    """A line with other names of values and blocks."""
    return NAME.sub(lambda name: names.get(name[0], name[0]), line)


def in_each_function(ir: str, change: Callable[[str], str]) -> str:
    """A module's IR with the text of each function, behind "define ", changed."""
    head, *functions = ir.split("\ndefine ")
    return "\ndefine ".join([head, *map(change, functions)])


def name_of(text: str) -> str:
    """A function's, of its text behind "define "."""
    found = _FUNCTION.search(text)
    return found[1] if found else ""


@dataclass(slots=True)
class Block:
    """Lines of text: the phis; what follows; and the terminator, of more than one line where it is a switch."""

    phis: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    end: list[str] = field(default_factory=list)

    @property
    def next(self) -> list[str]:
        return list(dict.fromkeys(to for line in self.end for to in TARGET.findall(line)))

    def defined(self) -> Iterator[tuple[str, str]]:
        """Each name, and the line that defines it."""
        for line in (*self.phis, *self.lines):
            name, is_, _ = line.partition(" = ")
            if is_:
                yield name.strip(), line

    def lead(self, to: str, instead: str) -> None:
        """Control goes to another block where it went to one."""
        target = re.compile(rf"label %{re.escape(to)}(?![\w.$-])")
        self.end = [target.sub(f"label %{instead}", line) for line in self.end]


def reached(blocks: Mapping[str, Block], starts: Iterable[str]) -> set[str]:
    """Those of the blocks that some of them lead to, themselves among it, on ways through these blocks."""
    found: set[str] = set()
    pending = list(starts)
    while pending:
        name = pending.pop()
        if name in blocks and name not in found:
            found.add(name)
            pending += blocks[name].next
    return found


_ENDS = ("  br ", "  ret ", "  switch ", "  unreachable", "  indirectbr ")


class Blocks(dict[str, Block]):
    """The blocks of a function by name, the first one first. head: the line before them; behind: what follows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        prefix = "n."
        while f"%{prefix}" in text:  # of numbers that were made names before
            prefix = f"n{prefix}"
        body, end, behind = _NUMBER.sub(rf"\1{prefix}\2", text).partition("\n}")
        self.behind = end + behind
        self.head, *lines = body.split("\n")
        for line in lines:
            label = LABEL.match(line)
            if label:
                self[label[1]] = block = Block()
            elif PHI.match(line):
                block.phis.append(line)
            elif block.end or line.startswith(_ENDS):
                block.end.append(line)
            elif line:
                block.lines.append(line)

    def text(self) -> str:
        lines = [self.head]
        for name, block in self.items():
            lines += [f"{name}:", *block.phis, *block.lines, *block.end]
        return "\n".join(lines) + self.behind

    def location(self, name: str) -> str:
        """Where in the module the first instruction of a block is that has such a note: the note, as LLVM writes it."""
        block = self[name]
        return next((found[0] for line in (*block.lines, *block.end) if (found := _LOCATION.search(line))), "")

    def traps(self, name: str) -> bool:
        """Whether a block does no more than that."""
        return self[name].end[0].startswith("  unreachable")

    def before(self) -> dict[str, list[str]]:
        """For each block, those that lead to it."""
        found: dict[str, list[str]] = {name: [] for name in self}
        for name, block in self.items():
            for to in block.next:
                found[to].append(name)
        return found

    def reached(self, start: str, *without: str) -> set[str]:
        """What a block leads to, itself among it, on ways that do not come through others."""
        return reached({name: block for name, block in self.items() if name not in without}, [start])

    def loops(self, names: Iterable[str]) -> list[set[str]]:
        """The outermost loops of some of the blocks."""
        of = list(names)
        numbers = {name: i for i, name in enumerate(of)}
        graph = {i: [numbers[to] for to in self[name].next if to in numbers] for name, i in numbers.items()}
        return [{of[i] for i in part} for part in cycles(graph)]

    def innermost(self, names: Iterable[str]) -> list[tuple[str, set[str]]]:
        """Head and members of each loop among some of the blocks that has one head and no loop in it."""
        of = set(names)
        found, pending, before = [], self.loops(name for name in self if name in of), self.before()
        while pending:
            members = pending.pop()
            heads = {name for name in members if not members.issuperset(of.intersection(before[name]))}
            inside = members - heads
            inner = self.loops(name for name in self if name in inside)
            if not inner and len(heads) == 1:
                found.append((heads.pop(), members))
            pending += inner
        return found

    def split(self, name: str, rest: str) -> Block:
        """All of a block but its phis is a block of its own from now on, which the first one is to lead to."""
        block = self[name]
        self._behind(name, rest, Block([], block.lines, block.end))
        block.lines, block.end = [], [f"  br label %{rest}"]
        for to in self[rest].next:
            self._rename(to, name, rest)
        return block

    def between(self, name: str, to: str, made: str) -> Block:
        """A block of its own on the way from a block to another."""
        self.joined(to, [name], made)
        return self[made]

    def joined(self, to: str, before: list[str], made: str) -> None:
        """A block of its own through which all of these come to a block, with phis where they bring what differs."""
        block = self[to]
        self[made] = joint = Block(end=[f"  br label %{to}"])
        for name in before:
            self[name].lead(to, made)
        ways = [name for name in before for line in self[name].end for found in TARGET.findall(line) if found == made]
        for i, line in enumerate(block.phis):
            incoming = self.incoming(line)
            brought = {name: incoming[name] for name in before}
            others = [(value, name) for value, name in _INCOMING.findall(line) if name not in before]
            value = next(iter(brought.values()))
            head, behind = line[: line.index("[")], line[line.rindex("]") + 1 :]
            if len(set(brought.values())) > 1:
                value = f"%{made}.{i}"
                edges = ", ".join(f"[ {brought[name]}, %{name} ]" for name in ways)
                joint.phis.append(f"  {value}{head[head.index(' = ') :]}{edges}")
            edges = ", ".join(f"[ {value_}, %{name} ]" for value_, name in [(value, made), *others])
            block.phis[i] = f"{head}{edges}{behind}"

    def _behind(self, name: str, made: str, block: Block) -> None:
        """LLVM lays blocks out by their order, too."""
        names = list(self)
        later = {n: self.pop(n) for n in names[names.index(name) + 1 :]}
        self[made] = block
        self.update(later)

    @staticmethod
    def incoming(phi: str) -> dict[str, str]:
        """Of a phi's line: block to what comes from it."""
        return {block: value for value, block in _INCOMING.findall(phi)}

    @staticmethod
    def only(phi: str, ways: set[str]) -> str:
        """A phi's line with what comes from these blocks."""
        head, behind = phi[: phi.index("[")], phi[phi.rindex("]") + 1 :]
        return head + ", ".join(f"[ {value}, %{way} ]" for value, way in _INCOMING.findall(phi) if way in ways) + behind

    @staticmethod
    def also(phi: str, way: str, other: str, names: dict[str, str]) -> str:
        """A phi's line that takes from another block, too, what it takes from one; names: of values there."""
        end = phi.rindex("]") + 1
        more = "".join(f", [ {names.get(v, v)}, %{other} ]" for v, of in _INCOMING.findall(phi) if of == way)
        return phi[:end] + more + phi[end:]

    def _rename(self, of: str, before: str, now: str) -> None:
        """Phis of a block have what came from one block from another; several times where a switch leads there so."""
        block = self[of]
        for i, line in enumerate(block.phis):
            head = line[: line.index("[")]
            behind = line[line.rindex("]") + 1 :]
            edges = [(value, now if from_ == before else from_) for value, from_ in _INCOMING.findall(line)]
            block.phis[i] = head + ", ".join(f"[ {value}, %{from_} ]" for value, from_ in edges) + behind
