"""Loops of LLVM's IR that halve a variable each turn until nothing of it is left: over a number's bits, or its digits.

They have at most as many turns as the variable has bits, though it is not known before how many.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from insitu.aot.blocks import BRANCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from insitu.aot.blocks import Blocks

_COMPARED = re.compile(r"  \S+ = icmp (?:samesign )?(eq|ne|ult|ugt) i(?:32|64) (%[\w.$-]+), (\d+)(?=,|$)")
# By how many bits, or by what, which LLVM leaves where it is not 1.
_HALVED = re.compile(r"  (\S+) = (?:lshr|udiv) (?:exact )?i(?:32|64) (%[\w.$-]+), [1-9]")
# What a comparison of 0 with a number says.
_OF_NOTHING: dict[str, Callable[[int], bool]] = {
    "eq": lambda number: number == 0,
    "ne": lambda number: number != 0,
    "ult": lambda number: number > 0,
    "ugt": lambda _: False,
}


def ends(blocks: Blocks, head: str, members: set[str]) -> bool:
    """Whether the loop of these blocks is such a one."""
    latches = [name for name in members if head in blocks[name].next]
    tested = {compared for name, compared in _tested(blocks, members) if _in_each_turn(blocks, head, name)}
    for phi in blocks[head].phis:
        variable, incoming = phi.split()[0], blocks.incoming(phi)
        halved = _halved(blocks, members, variable)
        if halved.issuperset(incoming[latch] for latch in latches) and tested & {variable, *halved}:
            return True
    return False


def _halved(blocks: Blocks, members: set[str], variable: str) -> set[str]:
    """What the variable is after it was halved, once or several times."""
    halves: dict[str, list[str]] = {}
    for member in members:
        for made, of in filter(None, map(_made, blocks[member].lines)):
            halves.setdefault(of, []).append(made)
    found, pending = set(), [variable]
    while pending:
        made_of = halves.get(pending.pop(), [])
        found |= set(made_of)
        pending += made_of
    return found


def _made(line: str) -> tuple[str, str] | None:
    found = _HALVED.match(line)
    return (found[1], found[2]) if found else None


def _tested(blocks: Blocks, members: set[str]) -> list[tuple[str, str]]:
    """Blocks where control leaves the loop when a value is 0, and the value."""
    defined = {name: line for member in members for name, line in blocks[member].defined()}
    found = []
    for name in members:
        branch = BRANCH.match(blocks[name].end[0])
        compare = _COMPARED.match(defined.get(branch[1], "")) if branch else None
        if branch and compare:
            end = branch[2] if _OF_NOTHING[compare[1]](int(compare[3])) else branch[3]
            if end not in members:
                found.append((name, compare[2]))
    return found


def _in_each_turn(blocks: Blocks, head: str, test: str) -> bool:
    """Whether no way from the head comes to it again but through this block."""
    return not any(head in blocks[name].next for name in blocks.reached(head, test))
