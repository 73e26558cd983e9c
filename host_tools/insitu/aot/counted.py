"""Loops of LLVM's IR whose turns are known before they begin: found, and cut into pieces of a number of turns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from insitu.aot.blocks import BRANCH, Block

if TYPE_CHECKING:
    from insitu.aot.blocks import Blocks

_WORDS = 1 << 32


@dataclass(frozen=True, slots=True)
class Counted:
    """A loop that goes round until a variable is what it is compared with.

    Attributes:
        head, latch: the loop's first block, and the one that leads back to it.
        test, on, end: the block that decides whether it goes on, where it goes on, and where it ends.
        begin: what is compared the first time, but for add; step: what it changes by; most: what it is compared with.
        turns: how often the test lets it go on, where that is a constant.
    """

    head: str
    latch: str
    test: str
    on: str
    end: str
    begin: str
    add: int
    step: int
    most: str
    turns: int | None


def find(blocks: Blocks, head: str, members: set[str]) -> Counted | None:
    """The loop of these blocks, if it is such a one."""
    latches = [name for name in members if head in blocks[name].next]
    ends = [(name, to) for name in members for to in blocks[name].next if to not in members and not blocks.traps(to)]
    if len(latches) != 1 or len(ends) != 1:
        return None
    latch, (test, end) = latches[0], ends[0]
    branch = BRANCH.match(blocks[test].end[0])
    if not branch or latch in blocks.reached(head, test):
        return None
    defined = {name: line for member in members for name, line in blocks[member].defined()}
    compare = re.match(r"  \S+ = icmp (?:samesign )?(eq|ne) i32 (%[\w.$-]+), ([^\s,]+)", defined.get(branch[1], ""))
    if not compare or branch[2 if compare[1] == "eq" else 3] != end:
        return None
    compared, most = compare[2], compare[3]
    if most in defined:
        compared, most = most, compared
    if most in defined:
        return None
    found = _variable(blocks, head, latch, compared, defined)
    if found is None:
        return None
    begin, add, step = found
    size, turns = abs(step), None
    if is_number(begin) and is_number(most):
        turns, passes = divmod((int(most) - int(begin) - add) * (1 if step > 0 else -1) % _WORDS, size)
        if passes:
            return None
    elif size > 1 and (
        size & (size - 1) or not all(_is_multiple(blocks, operand, size) for operand in (begin, str(add), most))
    ):
        return None  # it may pass by what it is compared with
    on = branch[3 if compare[1] == "eq" else 2]
    return Counted(head, latch, test, on, end, begin, add, step, most, turns)


def entered(loop: Counted, other: Counted, enter: str) -> Counted:
    """The loop, since another has got a block that control comes to before its head."""
    if loop.test == other.latch:
        return loop
    on, end = (enter if name == other.head else name for name in (loop.on, loop.end))
    return replace(loop, on=on, end=end)


def is_number(operand: str) -> bool:
    return operand.lstrip("-").isdecimal()


_ADDED = re.compile(r"  \S+ = add (?:nuw |nsw )*i32 (%[\w.$-]+), (-?\d+)(?=,|$)")


def added(line: str) -> tuple[str, int] | None:
    """Of a sum of a variable and a constant, both."""
    found = _ADDED.match(line)
    return (found[1], int(found[2])) if found else None


def _variable(
    blocks: Blocks, head: str, latch: str, compared: str, defined: dict[str, str]
) -> tuple[str, int, int] | None:
    """Of what is compared: first value, what is added to that before it is compared, step."""
    name, add = added(defined.get(compared, "")) or (compared, 0)
    line = defined.get(name, "")
    if line not in blocks[head].phis:
        return None
    incoming = blocks.incoming(line)
    next_ = added(defined.get(incoming[latch], ""))
    values = {value for block, value in incoming.items() if block != latch}
    if next_ is None or next_[0] != name or len(values) != 1:
        return None
    return values.pop(), add, next_[1]


def _is_multiple(blocks: Blocks, operand: str, step: int) -> bool:
    if is_number(operand):
        return int(operand) % step == 0
    for block in blocks.values():
        for name, line in block.defined():
            if name == operand:
                masked = re.match(r"  \S+ = and i32 .*, (-?\d+)", line)
                shifted = re.match(r"  \S+ = shl (?:nuw |nsw )*i32 .*, (\d+)", line)
                return bool((masked and int(masked[1]) % step == 0) or (shifted and 1 << int(shifted[1]) >= step))
    return False


def cut(blocks: Blocks, loop: Counted, weight: int, n: int, word: str, poll: list[str]) -> tuple[str, ...]:
    """Of the loop's turns as many as the word has are paid at its beginning, and the rest where those are made.

    What ends it is the number of turns that are paid for, so that LLVM may have any variable in the loop that it likes.
    weight: what a turn takes from the word, which is made a power of two; n: a number of its own; word: a pointer;
    poll: lines that make the word 1 or more.

    Returns the names of the blocks that it makes.
    """
    enter, paid, short, begin, over, again, back = made = tuple(f"insitu.{stem}{n}" for stem in _BLOCKS)
    blocks.joined(loop.head, [name for name in blocks.before()[loop.head] if name != loop.latch], enter)
    blocks.between(enter, loop.head, begin)
    blocks.between(loop.test, loop.on, back)
    blocks.between(loop.test, loop.end, over)
    shift = (weight - 1).bit_length()

    def name(stem: str) -> str:
        return f"%insitu.{stem}{n}"

    first, counting = _first(loop, name("first"))
    blocks[enter].lines = [
        *counting,
        *_turns(loop, first, name("all")),
        f"  {name('had')} = load i32, ptr {word}, align 4",
        f"  {name('some')} = call i32 @llvm.smax.i32(i32 {name('had')}, i32 0)",  # a walk may owe
        f"  {name('room')} = lshr i32 {name('some')}, {shift}",
        f"  {name('enough')} = icmp ult i32 {name('all')}, {name('room')}",
    ]
    blocks[enter].end = [f"  br i1 {name('enough')}, label %{paid}, label %{short}, {LIKELY}"]
    pay = [
        f"  {name('sum')} = add i32 {name('all')}, 1",
        f"  {name('price')} = shl i32 {name('sum')}, {shift}",
        f"  {name('has')} = sub i32 {name('had')}, {name('price')}",
        f"  store i32 {name('has')}, ptr {word}, align 4",
    ]
    blocks[paid] = Block([], pay, [f"  br label %{begin}"])
    blocks[short] = Block([], _pay_part(word, poll, name("all"), shift, f"{n}.0"), [f"  br label %{begin}"])
    blocks[begin].phis = [
        f"  {name('turns')} = phi i32 [ {name('sum')}, %{paid} ], [ %insitu.part{n}.0, %{short} ]",
        f"  {name('due')} = phi i32 [ 0, %{paid} ], [ %insitu.rest{n}.0, %{short} ]",
    ]
    blocks[loop.head].phis += [
        f"  {name('left')} = phi i32 [ {name('turns')}, %{begin} ], [ {name('next')}, %{back} ]",
        f"  {name('owed')} = phi i32 [ {name('due')}, %{begin} ], [ {name('debt')}, %{back} ]",
    ]
    latch = blocks[loop.latch]
    latch.lines += [
        f"  {name('less')} = add i32 {name('left')}, -1",
        f"  {name('done')} = icmp eq i32 {name('less')}, 0",
    ]
    latch.end = [f"  br i1 {name('done')}, label %{over}, label %{back}"]
    blocks[over].lines = [f"  {name('all.paid')} = icmp eq i32 {name('owed')}, 0"]
    blocks[over].end = [f"  br i1 {name('all.paid')}, label %{loop.end}, label %{again}, {LIKELY}"]
    more = [f"  {name('more')} = add i32 {name('owed')}, -1"]
    blocks[again] = Block([], [*more, *_pay_part(word, poll, name("more"), shift, f"{n}.1")], [f"  br label %{back}"])
    blocks[back].phis = [
        f"  {name('next')} = phi i32 [ {name('less')}, %{loop.test} ], [ %insitu.part{n}.1, %{again} ]",
        f"  {name('debt')} = phi i32 [ {name('owed')}, %{loop.test} ], [ %insitu.rest{n}.1, %{again} ]",
    ]
    return made


def _pay_part(word: str, poll: list[str], turns: str, shift: int, n: str) -> list[str]:
    """After a poll, of turns, and one, as many as the word has then, but one at least: part, and the rest of them."""
    stems = ("filled", "room", "some", "less", "most", "part", "rest", "price", "has")
    filled, room, some, less, most, part, rest, price, has = (f"%insitu.{stem}{n}" for stem in stems)
    return [
        *(line.replace("%insitu.moved", f"%insitu.moved{n}.") for line in poll),
        f"  {filled} = load i32, ptr {word}, align 4",
        f"  {room} = lshr i32 {filled}, {shift}",
        f"  {some} = call i32 @llvm.umax.i32(i32 {room}, i32 1)",
        f"  {less} = add i32 {some}, -1",
        f"  {most} = call i32 @llvm.umin.i32(i32 {turns}, i32 {less})",
        f"  {part} = add i32 {most}, 1",
        f"  {rest} = sub i32 {turns}, {most}",
        f"  {price} = shl i32 {part}, {shift}",
        f"  {has} = call i32 @llvm.usub.sat.i32(i32 {filled}, i32 {price})",
        f"  store i32 {has}, ptr {word}, align 4",
    ]


_BLOCKS = ("enter", "paid", "short", "begin", "over", "again", "back")
LIKELY = '!prof !{!"branch_weights", i32 1048575, i32 1}'
UNLIKELY = '!prof !{!"branch_weights", i32 1, i32 1048575}'


def _first(loop: Counted, name: str) -> tuple[str, list[str]]:
    """What is compared the first time, and the lines that make it."""
    if not loop.add:
        return loop.begin, []
    if is_number(loop.begin):
        return str(int(loop.begin) + loop.add), []
    return name, [f"  {name} = add i32 {loop.begin}, {loop.add}"]


def _turns(loop: Counted, first: str, name: str) -> list[str]:
    """How often the loop goes back."""
    far, near = (loop.most, first) if loop.step > 0 else (first, loop.most)
    shift = abs(loop.step).bit_length() - 1
    if not shift:
        return [f"  {name} = sub i32 {far}, {near}"]
    return [f"  {name}.way = sub i32 {far}, {near}", f"  {name} = lshr i32 {name}.way, {shift}"]
