"""Where an interruptible module polls: on LLVM's IR, after its passes, so that an unrolled loop polls once a turn.

A word of the instance, INSTANCE_FUEL, is counted down by each turn of a loop, and by each call in a recursion. Where it
does not suffice the code leaves for the runtime, by a routine that keeps all registers (stubs/poll_*.S), which fills it
again (port/run/polls.py).

Loops that call nothing have the word in a register: it is loaded on the way in and stored on the way out. Some need no
poll: counted.py, halving.py and walks.py know which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from insitu.aot import counted as counted_loops
from insitu.aot import halving, stand_ins, walks
from insitu.aot.blocks import CALLEE, Block, Blocks
from insitu.aot.counted import Counted
from insitu.aot.loops import cycles
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from insitu.aot.loops import Graph
    from insitu.aot.targets import Target
    from insitu.aot.walks import Walk

MARK = "!insitu.polls = !{}\n"  # in the text of a module that is to poll
_DECLARATION = f"declare void @{stand_ins.POLL}(ptr) #901\nattributes #901 = {{ cold nounwind }}\n"
_DECLARED = re.compile(rf"^declare void @{stand_ins.POLL}\(.*$", re.MULTILINE)
# What LLVM has found out of functions, which do more now: they poll, and what runs then may not come back.
_KNOWN = re.compile(
    r" (?:memory\([^)]*\)|readnone|readonly|writeonly|willreturn|mustprogress|norecurse|nosync|nofree)\b"
)
_NAME = re.compile(r"^(hidden |internal |)\S*\s?.*?@([ft]\d+[^(]*)\(")
_CHECKED = "insitu.checked"  # blocks behind a stack check
# What neither polls nor leaves for what may.
_HELPERS = (
    "@llvm.",
    f"@{stand_ins.FAR}",
    *("@insitu_trap", "@insitu_load", "@insitu_store", "@load_bytes", "@store_bytes"),
)
_HOST_CALL = "@insitu_host_call"
_FUEL = "%insitu.fuel"
_WORD = f"  {_FUEL} = getelementptr i8, ptr %inst, i32 -{layout.INSTANCE_FUEL}"
_OUTSIDE = "outside"
# Turns, of a loop and of those in it: so many are counted where the loop lies; and so many are paid all at once.
_SHORT, _MOST_PAID = 1 << 12, 1 << 16
# Turns that a loop that halves counts as where it lies, of 64 at most: at that many each, those that make few would
# poll far too often.
_HALVING = 8


def wanted(text: str) -> bool:
    """Whether the module with this text is to poll."""
    return MARK.partition(" ")[0] in text


def with_stand_in(ir: str) -> str:
    """A module's text with the routine's stand-in in place of its declaration."""
    return _DECLARED.sub(stand_ins.definition(f"void @{stand_ins.POLL}(ptr %0)", "  ret void"), ir)


def placed(text: str, target: Target) -> list[str]:
    """A module's text with polls, before its functions are told apart by sections: with loops that pay before they
    begin, which takes registers, and without.
    """
    # A loop that walks and jumps needs few registers for itself: on Cortex-M0+ an interpreter takes 1.13 of the
    # instructions where it polls each turn, else 1.16.
    jumps = not target.few_registers
    head, *functions = _KNOWN.sub("", text).split("\ndefine ")
    recursive, asking = _recursive(functions), _asking(functions)
    found = []
    for pays in True, False:
        how = _How(asking, pays, jumps)
        made = [_Function(f, _name(f) in recursive, how).text() for f in functions]
        module = llvm.parse_assembly("\ndefine ".join([head, *made]) + _DECLARATION)
        module.verify()
        _in_registers(module)
        found.append(str(module))
    return found


def _in_registers(module: llvm.ModuleRef) -> None:
    """Counters that are not kept in memory become LLVM's values."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, llvm.create_pass_builder(None, llvm.create_pipeline_tuning_options()))


# --- recursions ---


def _name(function: str) -> str:
    found = _NAME.match(function)
    return found[2] if found else ""


def _recursive(functions: list[str]) -> set[str]:
    """Names of functions that may come to be called by themselves.

    What is called through a register, or in another unit, may call whatever can be reached from outside.
    """
    numbers: dict[str, int] = {_OUTSIDE: 0}
    for function in functions:
        numbers.setdefault(_name(function), len(numbers))
    graph: Graph = {number: [] for number in numbers.values()}
    for function in functions:
        number = numbers[_name(function)]
        for callee in CALLEE.findall(function):
            if callee[0] == "%":
                graph[number].append(0)
            elif callee[1:2] in ("f", "t"):
                graph[number].append(numbers.get(callee[1:], 0))
        if not function.startswith("internal"):
            graph[0].append(number)
    recursive = {number for part in cycles(graph) for number in part}
    return {name for name, number in numbers.items() if number in recursive}


def _asking(functions: list[str]) -> set[str]:
    """What may come to call an import, as it is written in a call: such a call takes any time."""
    callees = {"@" + _name(function): set(CALLEE.findall(function)) for function in functions}
    unknown = {
        callee
        for called in callees.values()
        for callee in called
        if callee[0] == "%" or (callee[1:2] in ("f", "t") and callee not in callees)
    }
    found = {_HOST_CALL, *unknown}
    while more := {name for name, called in callees.items() if called & found} - found:
        found |= more
    return found


# --- one function ---


@dataclass(frozen=True, slots=True)
class _How:
    """How the functions of a module poll.

    Attributes:
        asking: callees that may call imports.
        pays: whether loops whose turns are known may pay before they begin.
        jumps: whether loops that walk through memory may jump.
    """

    asking: set[str]
    pays: bool
    jumps: bool


class _Function:
    """A function's text behind "define ", with its polls. recursive: whether its calls poll."""

    def __init__(self, text: str, recursive: bool, how: _How) -> None:
        self._how = how
        self._text, self._count = text, 0
        self.blocks = Blocks(text)
        self.first = next(iter(self.blocks), "")
        self._checked = [name for name in self.blocks if recursive and name.startswith(_CHECKED)]
        self._registers: dict[str, str] = {}  # block to pointer of the word, where that is no other's
        self._polled: dict[str, int] = {}  # blocks, and how many turns a poll there counts as
        self._paid: dict[str, Counted] = {}  # by head: loops whose turns are paid all at once
        self._totals: dict[str, int] = {}  # of these, and of short ones, by head
        self._counted: list[tuple[Counted, int]] = []
        self._halving: set[str] = set()  # heads of loops that halve, none of which is in another
        self._walks: dict[str, Walk] = {}  # by head
        self._loops: dict[str, set[str]] = {}  # blocks by head; none where others lead into the loop, too

    def text(self) -> str:
        self._choose()
        if not (self._counted or self._paid or self._polled or self._walks):
            return self._text
        heads = {*self._polled, *self._paid, *self._walks, *(loop.head for loop, _ in self._counted)}
        for part in self._quiet(list(self.blocks), heads):
            register = f"%insitu.left{self._new()}"
            self._registers |= dict.fromkeys(part, register)
        for walk in [walk for walk in self._walks.values() if walk.head not in self._registers]:
            self._registers |= dict.fromkeys(walk.members, f"%insitu.left{self._new()}")
        pending = self._counted
        while pending:
            (loop, weight), *others = pending
            n, word = self._new(), self._word(loop.head)
            leave = self._leave(word, n, self.blocks.location(loop.head))
            made = counted_loops.cut(self.blocks, loop, weight, n, word, leave)
            self._made(loop.head, made)
            pending = [(counted_loops.entered(other, loop, made[0]), weight) for other, weight in others]
        for loop in self._paid.values():
            entry = f"insitu.entry{self._new()}"
            before = [name for name in self.blocks.before()[loop.head] if name != loop.latch]
            self.blocks.joined(loop.head, before, entry)
            self._made(loop.head, [entry])
            self._polled[entry] = self._totals[loop.head]
        for walk in self._walks.values():
            self._count_walk(walk)
        for name, weight in self._polled.items():
            self._poll(name, str(weight))
        self._move_words()
        allocas = [f"  {register} = alloca i32, align 4" for register in dict.fromkeys(self._registers.values())]
        self.blocks[self.first].lines[:0] = [*allocas, _WORD]
        return self.blocks.text()

    def _new(self) -> int:
        self._count += 1
        return self._count

    def _word(self, name: str) -> str:
        """Where a block has what INSTANCE_FUEL is."""
        return self._registers.get(name, _FUEL)

    def _made(self, name: str, blocks: Iterable[str]) -> None:
        """Blocks that were made of one."""
        if name in self._registers:
            self._registers |= dict.fromkeys(blocks, self._registers[name])

    # --- which loops poll how ---

    def _choose(self) -> None:
        """Where to poll, and how: every way round goes through a poll, or is short, and what it takes is in a poll."""
        closed: set[tuple[str, str]] = set()
        inside: dict[str, set[str]] = {}  # of short loops
        self._loops = {head: self._members(head) for head in self._heads(set(), closed)}
        loops = [*self._loops.items()]
        for head, members in sorted(loops, key=lambda row: len(row[1])):
            loop = counted_loops.find(self.blocks, head, members) if members else None
            if not self._how.asking.isdisjoint(self._callees(members)):
                continue  # else what stops the call while an import runs is seen after many of them
            weight = self._weight(members, inside)
            total = _MOST_PAID if loop is None or loop.turns is None else (loop.turns + 1) * weight
            if loop is None or (total >= _MOST_PAID and not self._how.pays):
                if not self._close_halving(head, members, inside, closed):
                    self._close_walk(head, members, closed)
                continue
            closed.add((loop.latch, head))
            if total < _SHORT:
                self._totals[head], inside[head] = total, members
            elif total < _MOST_PAID:
                self._paid[head], self._totals[head] = loop, total
            else:
                self._counted.append((loop, weight))
        self._polled = dict.fromkeys(self._checked, self._weight(set(self.blocks), inside))
        pays = {*self._checked, *self._paid, *(loop.head for loop, _ in self._counted)}
        for head, members in sorted(loops, key=lambda row: len(row[1]) or len(self.blocks)):
            if head not in pays and head in self._heads(pays, closed):
                self._polled[head] = self._weight(members, inside)
                pays.add(head)

    def _close_halving(
        self, head: str, members: set[str], inside: dict[str, set[str]], closed: set[tuple[str, str]]
    ) -> bool:
        """A loop that halves polls where it lies, for an eighth of the turns that it may have."""
        total = _HALVING * self._weight(members, inside)
        if total >= _SHORT or members & self._halving or not halving.ends(self.blocks, head, members):
            return False
        closed |= {(name, head) for name in members if head in self.blocks[name].next}
        self._halving.add(head)
        self._totals[head], inside[head] = total, members
        return True

    def _close_walk(self, head: str, members: set[str], closed: set[tuple[str, str]]) -> None:
        """A loop that walks counts how far it came, where it ends or jumps, with those in it that are its parts."""
        inner = [walk for other, walk in self._walks.items() if other in members]
        parts = [*inner, *(part for walk in inner for part in walk.parts)]
        if self._loops.keys() & members != {head, *(part.head for part in parts)} or any(map(self._leaves, members)):
            return
        walk = walks.find(self.blocks, head, members, parts)
        if walk is None or (walk.jumps and not self._how.jumps):
            return
        for part in inner:
            del self._walks[part.head]
        closed |= walk.closed(self.blocks)
        self._walks[head] = walk

    def _weight(self, members: set[str], inside: dict[str, set[str]]) -> int:
        """Turns that one turn of a loop is: itself, and the short loops in it."""
        short = [head for head in members & inside.keys() if inside[head] < members]
        outermost = [head for head in short if not any(head in inside[other] for other in short if other != head)]
        return 1 + sum(self._totals[head] for head in outermost)

    def _heads(self, polled: set[str], closed: set[tuple[str, str]]) -> list[str]:
        """Blocks of which every way that comes back to where it was goes through one.

        But for ways through what polls, and those that are closed, from block to block.
        """
        found: dict[str, None] = {}
        left: dict[str, bool] = {}
        open_: list[tuple[str, Iterator[str]]] = []

        def come(name: str) -> None:
            left[name] = False
            ways = [to for to in self.blocks[name].next if (name, to) not in closed and to not in polled]
            open_.append((name, iter(ways)))

        for root in [name for name in self.blocks if name == self.first or name in polled]:
            if root not in left:
                come(root)
            while open_:
                block, ways = open_[-1]
                to = next(ways, None)
                if to is None:
                    left[block] = True
                    open_.pop()
                elif to not in left:
                    come(to)
                elif not left[to]:
                    found[to] = None
        return list(found)

    def _members(self, head: str) -> set[str]:
        """The blocks from which control comes to the head only by the head itself, and comes there again."""
        before = self.blocks.before()
        others = self.blocks.reached(self.first, head)
        found, pending = {head}, [name for name in before[head] if name == head or name not in others]
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending += before[name]
        return found if any(head in self.blocks[name].next for name in found) else set()

    # --- polls ---

    def _count_walk(self, walk: Walk) -> None:
        """The word has the place where it begins, too, as long as it walks: where it ends that is how far it came."""
        begin = f"insitu.walk{self._new()}"
        places = walk.at(self.blocks) or {}
        location = self.blocks.location(walk.head)
        before = [name for name in self.blocks.before()[walk.head] if name not in walk.members]
        self.blocks.joined(walk.head, before, begin)
        self._made(walk.head, [begin])
        first = next(line for line in self.blocks[walk.head].phis if line.split()[0] == walk.position)
        self.blocks[begin].lines = self._begun(walk, self.blocks.incoming(first)[begin])
        for (name, to), place in places.items():
            made, jump = f"insitu.walked{self._new()}", walk.jumps.get((name, to))
            self._made(walk.head, [made])
            self.blocks.between(name, to, made).lines = self._begun(walk, jump) if jump else []
            price, lines = walk.counts(place, self._new(), least=int(jump is not None))
            self._poll(made, price, lines, location, polls=jump is not None or not self._polled_around(walk))

    def _begun(self, walk: Walk, place: str) -> list[str]:
        n, word = self._new(), self._word(walk.head)
        price, lines = walk.counts(place, n)
        return [*lines, *_changed(word, n, "add", price)]

    def _polled_around(self, walk: Walk) -> bool:
        """Whether each turn of the loop around it polls."""
        around = [head for head, members in self._loops.items() if walk.members < members]
        return bool(around) and min(around, key=lambda head: len(self._loops[head])) in self._polled

    def _poll(
        self, name: str, price: str, lines: Iterable[str] = (), location: str | None = None, *, polls: bool = True
    ) -> None:
        """A block begins with a poll where the word does not have so many turns: it is less than nothing there.

        lines: that make the price; location: of the poll; polls: or else what it takes is only taken from the word.
        """
        n, word = self._new(), self._word(name)
        go_on, cold = f"insitu.go{n}", f"insitu.poll{n}"
        block = self.blocks.split(name, go_on)
        block.lines = [*lines, *_changed(word, n, "sub", price)]
        self._made(name, [go_on])
        if polls:
            block.lines.append(f"  %insitu.out{n} = icmp slt i32 %insitu.has{n}, 0")
            block.end = [f"  br i1 %insitu.out{n}, label %{cold}, label %{go_on}, {counted_loops.UNLIKELY}"]
            leave = self._leave(word, n, self.blocks.location(go_on) if location is None else location)
            self.blocks[cold] = Block([], leave, [f"  br label %{go_on}"])
            self._made(name, [cold])

    @staticmethod
    def _leave(word: str, n: int, location: str) -> list[str]:
        lines = [f"  call void @{stand_ins.POLL}(ptr %inst) #901{location}"]  # of the loop, for a profile
        if word == _FUEL:
            return lines
        return [*_moved(word, _FUEL, f"0.{n}"), *lines, *_moved(_FUEL, word, f"1.{n}")]

    # --- loops that call nothing ---

    def _quiet(self, names: Iterable[str], heads: set[str]) -> list[set[str]]:
        """The outermost loops with some of these heads in which nothing else can poll."""
        names = list(names)
        found = []
        for members in self.blocks.loops(names):
            if any(self._leaves(name) for name in members):
                inside = members - self._entries(members)
                found += self._quiet([name for name in names if name in inside], heads)
            elif members & heads:
                found.append(members)
        return found

    def _entries(self, members: set[str]) -> set[str]:
        return {to for name, block in self.blocks.items() if name not in members for to in block.next if to in members}

    def _leaves(self, name: str) -> bool:
        return any(not callee.startswith(_HELPERS) for callee in self._callees([name]))

    def _callees(self, names: Iterable[str]) -> Iterator[str]:
        found = (CALLEE.search(line) for name in names for line in self.blocks[name].lines)
        return (callee[1] for callee in found if callee)

    def _move_words(self) -> None:
        """The word goes to a register where a loop begins that has it there, and back where control leaves the loop."""
        for name, to in [(name, to) for name, block in self.blocks.items() for to in block.next]:
            source, target = self._word(name), self._word(to)
            if source != target and not self.blocks.traps(to):
                n = self._new()
                back = [] if source == _FUEL else _moved(source, _FUEL, f"2.{n}")
                there = [] if target == _FUEL else _moved(_FUEL, target, f"3.{n}")
                self.blocks.between(name, to, f"insitu.way{n}").lines = [*back, *there]


def _changed(word: str, n: int, how: str, price: str) -> list[str]:
    """The word is %insitu.has{n} from now on."""
    return [
        f"  %insitu.had{n} = load i32, ptr {word}, align 4",
        f"  %insitu.has{n} = {how} i32 %insitu.had{n}, {price}",
        f"  store i32 %insitu.has{n}, ptr {word}, align 4",
    ]


def _moved(source: str, target: str, name: str) -> list[str]:
    value = f"%insitu.moved{name}"
    return [f"  {value} = load i32, ptr {source}, align 4", f"  store i32 {value}, ptr {target}, align 4"]
