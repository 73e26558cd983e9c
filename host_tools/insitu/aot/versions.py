"""Loops whose turns are known before they begin, written twice: as they are, and without checks that none would fail.

What such a check compares changes by the same number each turn, so that a few comparisons before the loop say whether
it holds in all turns. Where one of them does not, the loop is the one with checks, which traps when it always did, or
goes to memory outside of the window. It is done on LLVM's IR, after its passes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from insitu.aot import counted, far_calls
from insitu.aot.blocks import BRANCH, NAME, Block, Blocks, in_each_function, name_of, reached, renamed
from insitu.aot.passes import passed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from insitu.aot.counted import Counted

_FEWEST_TURNS = 3  # where they are known
# One check saves less than what is before the loop costs, but in long loops: with 1, Huffman decoding takes 1.02 of the
# instructions, and no other kernel gains.
_FEWEST_CHECKS = 2
_LONGEST = 32  # lines of a loop for each check that it loses
_CALL = 40  # lines that a soft float's arithmetic counts for: LU decomposition has 0.8 of the bytes on rv32, no faster
_MOST = (1 << 31) - 1  # what a number may change by in all turns
_WORDS = 1 << 32

_ENTER = "insitu.enter.v"
CHECKED = "insitu.checked.v"  # names the block before a loop that is only for where a check may fail

_COMPARED = re.compile(r"  \S+ = icmp (?:samesign )?(\w+) i32 ([^\s,]+), ([^\s,]+)")
# A condition of two that is true where one of them is, or false.
_EITHER = {
    True: re.compile(
        r"  \S+ = (?:select i1 ([^\s,]+), i1 true, i1 ([^\s,]+)|or (?:disjoint )?i1 ([^\s,]+), ([^\s,]+))"
    ),
    False: re.compile(r"  \S+ = (?:select i1 ([^\s,]+), i1 ([^\s,]+), i1 false|and i1 ([^\s,]+), ([^\s,]+))"),
}
_JOINED = {True: "i1 true, i1 {}", False: "i1 {}, i1 false"}  # by select
# Relations that say that a check fails where they are true, or false.
_FAILING = {
    True: {"ugt": "ugt", "sgt": "sgt", "eq": "eq"},
    False: {"ule": "ugt", "sle": "sgt", "ne": "eq", "ult": "ugt"},
}
_MADE = re.compile(r"  \S+ = (add|sub|or disjoint|shl|mul) (?:nuw |nsw )*i32 ([^\s,]+), ([^\s,]+)(?=,|$)")
_FLOATS = re.compile(r"  \S+ = f(?:add|sub|mul|div|cmp)\b.*? (float|double) ")
_I32_PHI = re.compile(r"  \S+ = phi i32 ")


class _Check(NamedTuple):
    """What fails where value > limit, with sign or without, or where they are equal: it traps, or is far.

    relation: LLVM's; step: what value changes by each turn.
    """

    relation: str
    value: str
    limit: str
    step: int


def _number(operand: str) -> int | None:
    return int(operand) if counted.is_number(operand) else None


def _signed(number: int) -> int:
    return (number + _WORDS // 2) % _WORDS - _WORDS // 2


def _most_turns(check: _Check) -> int:
    """How often value may change so that all that it changes by is no more than limit, if that is a constant."""
    limit = _number(check.limit)
    return (_MOST if limit is None else limit % _WORDS) // abs(check.step)


def written(ir: str, soft: Sequence[str] = ()) -> str:
    """A module's IR with such loops twice; tidied is to come.

    soft: LLVM's types of floats that the CPU has no instructions for.
    """
    _, *functions = ir.split("\ndefine ")
    found = [name_of(text) for text in functions if _has_any(text, soft)]
    if not found:
        return ir
    # What is behind a loop takes its values by phis that lie right behind it.
    text = passed(ir, found, "add_lcssa_pass")
    return in_each_function(text, lambda one: _in_function(one, soft) if name_of(one) in found else one)


def tidied(ir: str) -> str:
    """A module's IR where what only a check needed is gone, and what its branches kept apart is one again."""
    found = [name_of(text) for text in ir.split("\ndefine ")[1:] if _ENTER in text]
    return passed(ir, found, "add_simplify_cfg_pass", "add_aggressive_dce_pass") if found else ir


def _has_any(text: str, soft: Sequence[str]) -> bool:
    if " = phi i32 " not in text:
        return False
    blocks = Blocks(text)
    return any(_version(blocks, head, members, soft) for head, members in blocks.innermost(blocks))


def _in_function(text: str, soft: Sequence[str]) -> str:
    blocks, n = Blocks(text), 0
    for head, members in blocks.innermost(blocks):
        version = _version(blocks, head, members, soft)
        if version:
            version.write(n)
            n += 1
    return blocks.text() if n else text


def _version(blocks: Blocks, head: str, members: set[str], soft: Sequence[str]) -> _Version | None:
    """Of a loop, if it is worth it."""
    loop = counted.find(blocks, head, members)
    if loop is None or (loop.turns is not None and loop.turns < _FEWEST_TURNS):
        return None
    version = _Version(blocks, loop, members)
    checks = len(version.checks)
    worth = checks >= _FEWEST_CHECKS and version.lines(soft) <= _LONGEST * checks
    return version if worth and version.traps_alone() else None


class _Version:
    """One loop. checks: those that the copy is without, by the i1 that is their result."""

    def __init__(self, blocks: Blocks, loop: Counted, members: set[str]) -> None:
        self._blocks, self._loop, self._n = blocks, loop, 0
        self._members = [name for name in blocks if name in members]
        self._defined = {name: line for member in self._members for name, line in blocks[member].defined()}
        self._entry = ""  # the block before the head
        self._lines: list[str] = []  # of the comparisons
        self._first: dict[str, str] = {}  # what values are in the first turn
        self.checks = dict(self._find())

    # --- what is checked ---

    def _find(self) -> Iterator[tuple[str, _Check]]:
        for name in self._members:
            leaves = self._leaves(self._blocks[name])
            if leaves:
                for condition in self._parts_of(*leaves):
                    compared = _COMPARED.match(self._defined.get(condition, ""))
                    check = self._check(*compared.groups(), fails=leaves[1]) if compared else None
                    if check:
                        yield condition, check

    def _leaves(self, block: Block) -> tuple[str, bool] | None:
        """A condition, and whether the block goes where it is cold where that is true, or where it is false."""
        branch = BRANCH.match(block.end[0])
        cold = [to for to in branch.group(2, 3) if self._is_cold(to)] if branch else []
        return (branch[1], cold[0] == branch[2]) if branch and len(cold) == 1 else None

    def _is_cold(self, name: str) -> bool:
        return self._blocks.traps(name) or far_calls.is_far(self._blocks[name])

    def _parts_of(self, condition: str, value: bool) -> list[str]:
        """Conditions any of which makes this one true, or false."""
        either = _EITHER[value].match(self._defined.get(condition, ""))
        return [p for of in either.groups() if of for p in self._parts_of(of, value)] if either else [condition]

    def _check(self, relation: str, value: str, limit: str, *, fails: bool) -> _Check | None:
        if relation not in _FAILING[fails] or (relation == "ult" and not (limit.isdecimal() and int(limit))):
            return None
        if relation == "ult":
            limit = str(int(limit) - 1)
        relation = _FAILING[fails][relation]
        step, step_of_limit = self._step(value), self._step(limit)
        if relation == "eq" and not step:
            value, limit, step, step_of_limit = limit, value, step_of_limit, step
        if step is None or step_of_limit != 0:
            return None
        if (relation == "eq" and abs(step) != 1) or (relation == "sgt" and not limit.isdecimal()):
            return None
        return _Check(relation, value, limit, step)

    def _step(self, operand: str) -> int | None:
        """What an i32 changes by each turn, modulo 2^32; None: nothing that is the same each turn and known."""
        if operand not in self._defined:
            return 0
        carried = self._carried().get(operand)
        if carried:
            return self._step_of_carried(operand, carried[self._loop.latch])
        made = _MADE.match(self._defined[operand])
        if not made:
            return None
        one, other, number = self._step(made[2]), self._step(made[3]), _number(made[3])
        if one is None or other is None:
            return None
        match made[1]:
            case "shl":
                return None if number is None else _signed(one << number)
            case "mul":
                return None if number is None else _signed(one * number)
            case "sub":
                return _signed(one - other)
            case _:
                return _signed(one + other)

    def _carried(self) -> dict[str, dict[str, str]]:
        """The i32s that a turn takes over from the one before: what they are by where control comes from."""
        phis = self._blocks[self._loop.head].phis
        return {line.split()[0]: self._blocks.incoming(line) for line in phis if _I32_PHI.match(line)}

    def _step_of_carried(self, operand: str, value: str) -> int | None:
        step = 0
        while value != operand:
            added = counted.added(self._defined.get(value, ""))
            if not added:
                return None
            value, step = added[0], step + added[1]
        return _signed(step)

    def lines(self, soft: Sequence[str]) -> int:
        """Of the copy; what is a call of the library counts as many."""
        lines = [line for name in self._ends() for line in self._blocks[name].lines]
        floats = [found[1] for line in lines if (found := _FLOATS.match(line))]
        return len(lines) + _CALL * sum(floats.count(of) for of in soft)

    def traps_alone(self) -> bool:
        """Whether what traps needs to know nothing of the loop."""
        traps = {to for name in self._members for to in self._blocks[name].next if self._blocks.traps(to)}
        used = {name for trap in traps for line in self._blocks[trap].lines for name in NAME.findall(line)}
        return not any(self._blocks[trap].phis for trap in traps) and used.isdisjoint(self._defined)

    # --- the comparisons ---

    def write(self, n: int) -> None:
        """n: the version's number in its function."""
        blocks, loop, self._n = self._blocks, self._loop, n
        enter, self._entry = f"{_ENTER}{n}", f"{CHECKED}{n}"
        blocks.joined(loop.head, [name for name in blocks.before()[loop.head] if name != loop.latch], enter)
        blocks.between(enter, loop.head, self._entry)
        fails = self._any(list(self._failing()))
        copies = {name: f"{name}.v{n}" for name in (*self._defined, *(f"%{name}" for name in self._members))}
        copy = copies[f"%{loop.head}"]
        blocks[enter].lines += self._lines
        blocks[enter].end = [f"  br i1 {fails}, label %{self._entry}, label {copy}, {counted.UNLIKELY}"]
        self._copy(copies | {f"%{self._entry}": f"%{enter}"})
        self._lead_on(copies)

    def _make(self, text: str) -> str:
        """A line that defines a value."""
        name = f"%insitu.v{self._n}.{len(self._lines)}"
        self._lines.append(f"  {name} = {text}")
        return name

    def _any(self, conditions: list[str]) -> str:
        first, *others = conditions
        for other in others:
            first = self._make(f"or i1 {first}, {other}")
        return first

    def _failing(self) -> Iterator[str]:
        """Conditions, any of which makes that a check may fail."""
        checks, turns = list(dict.fromkeys(self.checks.values())), self._turns()
        changing = [check for check in checks if check.relation != "eq" and check.step]
        if changing:
            yield self._make(f"icmp ugt i32 {turns}, {min(map(_most_turns, changing))}")
        for check in checks:
            first, limit = self._in_first_turn(check.value), self._known(check.limit)
            if check.relation == "eq":
                near, far = (first, limit) if check.step > 0 else (limit, first)
                yield self._make(f"icmp ule i32 {self._make(f'sub i32 {far}, {near}')}, {turns}")
            elif not check.step:
                yield self._make(f"icmp {check.relation} i32 {first}, {limit}")
            else:
                way = self._make(f"mul i32 {turns}, {abs(check.step)}")
                if _number(limit) is None:
                    yield self._make(f"icmp ugt i32 {way}, {limit}")
                lowest = first if check.step > 0 else self._make(f"sub i32 {first}, {way}")
                yield self._make(f"icmp {check.relation} i32 {lowest}, {self._make(f'sub i32 {limit}, {way}')}")

    def _turns(self) -> str:
        """How often the loop goes back, if it does not trap."""
        loop = self._loop
        if loop.turns is not None:
            return str(loop.turns)
        begin, most = self._known(loop.begin), self._known(loop.most)
        first = self._make(f"add i32 {begin}, {loop.add}") if loop.add else begin
        far, near = (most, first) if loop.step > 0 else (first, most)
        way = self._make(f"sub i32 {far}, {near}")
        shift = abs(loop.step).bit_length() - 1
        return self._make(f"lshr exact i32 {way}, {shift}") if shift else way

    def _in_first_turn(self, operand: str) -> str:
        if operand not in self._defined:
            return self._known(operand)
        if operand not in self._first:
            carried = self._carried().get(operand)
            if carried:
                self._first[operand] = self._known(carried[self._entry])
            else:
                made = _MADE.match(self._defined[operand])
                assert made
                one, other = map(self._in_first_turn, made.group(2, 3))
                self._first[operand] = self._make(f"{made[1].split()[0]} i32 {one}, {other}")
        return self._first[operand]

    def _known(self, operand: str) -> str:
        """What comes from outside of the loop. Where a turn would not use it, LLVM may hold it for anything."""
        if _number(operand) is not None:
            return operand
        if operand not in self._first:
            self._first[operand] = self._make(f"freeze i32 {operand}")
        return self._first[operand]

    # --- the copy ---

    def _copy(self, copies: dict[str, str]) -> None:
        """The blocks with checks come behind those without: LLVM goes by the order."""
        ends = self._ends()
        for name in self._members:
            block = self._blocks.pop(name)
            if name in ends:
                ways = {of for of in ends if name in ends[of].next} | {self._entry}
                parts = ([Blocks.only(line, ways) for line in block.phis], block.lines, ends[name].end)
                copy = Block(*([renamed(line, copies) for line in part] for part in parts))
                self._blocks[copies[f"%{name}"][1:]] = copy
            self._blocks[name] = block

    def _ends(self) -> dict[str, Block]:
        """Of the blocks that the copy has, no more than how they end."""
        ends = {name: Block(end=self._end(self._blocks[name])) for name in self._members}
        kept = reached(ends, [self._loop.head])
        return {name: end for name, end in ends.items() if name in kept}

    def _end(self, block: Block) -> list[str]:
        """A block's end without checks that hold."""
        leaves, branch = self._leaves(block), BRANCH.match(block.end[0])
        parts = self._parts_of(*leaves) if leaves else []
        left = [part for part in parts if part not in self.checks]
        if not branch or not leaves or left == parts:
            return block.end
        if not left:
            return [f"  br label %{branch[3 if leaves[1] else 2]}"]
        one, *others = left
        lines = []
        for i, part in enumerate(others):
            lines.append(f"  {branch[1]}.{i} = select i1 {one}, {_JOINED[leaves[1]].format(part)}")
            one = f"{branch[1]}.{i}"
        return [*lines, block.end[0].replace(f"i1 {branch[1]},", f"i1 {one},")]

    def _lead_on(self, copies: dict[str, str]) -> None:
        """Where the loop ends, the copy's values are known, too."""
        test, copy = self._loop.test, copies[f"%{self._loop.test}"][1:]
        phis = self._blocks[self._loop.end].phis
        for i, line in enumerate(phis):
            phis[i] = Blocks.also(line, test, copy, copies)
