"""Two values that a loop carries and that always differ by the same constant are one: LLVM's IR, text to text.

`*pc++` in an interpreter's loop leaves pc and pc + 1, for LLVM has begun the next round's addition in this one. Each is
a register, and a move on every way to the loop's head. Only the later one stays, which the earlier one's uses are made
of: in an address the constant costs nothing, and a sum has one anyway.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from insitu.aot.blocks import PHI, Blocks, in_each_function

_LOCATION = r"((?:, !dbg !\d+)?)"
# Of values that have a name: what has a number has it in the order of the lines, and the phi would be another line.
_PHI = re.compile(rf"^  (%[A-Za-z_][\w.]*) = phi i32 (\[.*\]){_LOCATION}$")
_ADD = re.compile(rf"^  (%[\w.]+) = add (?:nuw |nsw )*i32 (%[\w.]+), (-?\d+){_LOCATION}$")
_ADDRESS = re.compile(rf"^  (%[\w.]+) = getelementptr (?:\w+ )*i8, ptr (%[\w.]+), i32 (%[\w.]+){_LOCATION}$")
_FIELD = re.compile(rf"^  (%[\w.]+) = getelementptr (?:\w+ )*i8, ptr (%[\w.]+), i32 (-?\d+){_LOCATION}$")
_NUMBER = re.compile(r"-?\d+")


class Sum(NamedTuple):
    """A value, or "" for none, and a constant."""

    root: str
    constant: int


def joined(ir: str) -> str:
    """A module's IR with one of each such pair."""
    return in_each_function(ir, _in_function)


def _in_function(text: str) -> str:
    lines = text.split("\n")
    sums = {
        match[1]: Sum(match[2], int(match[3])) for line in lines if " = add " in line and (match := _ADD.match(line))
    }
    twins: dict[str, Sum] = {}
    carried: set[str] = set()  # what the values that stay come from
    block: dict[str, dict[str, str]] = {}  # phis of one, and what they are by where control comes from
    for line in lines:
        any_phi = " = phi " in line
        phi = any_phi and _PHI.match(line)
        if phi:
            block[phi[1]] = Blocks.incoming(line)
        elif block and not any_phi:
            found = _twins(block, sums)
            twins |= found
            carried.update(value for twin in found.values() for value in block[twin.root].values())
            block = {}
    return "\n".join(_replaced(lines, twins, carried)) if twins else text


def _twins(block: dict[str, dict[str, str]], sums: dict[str, Sum]) -> dict[str, Sum]:
    brought = {
        name: {before: _sum(value, sums) for before, value in incoming.items()} for name, incoming in block.items()
    }
    found: dict[str, Sum] = {}
    for later, of_later in brought.items():
        for earlier, of_earlier in brought.items():
            ahead = _ahead(of_later, of_earlier)
            if ahead and not {later, earlier} & found.keys() and later not in {twin.root for twin in found.values()}:
                found[earlier] = Sum(later, -ahead)
    return found


def _ahead(of_later: dict[str, Sum], of_earlier: dict[str, Sum]) -> int:
    """By how much each value of one phi is more than the other's; 0: not by the same, or by less."""
    distances = set()
    for before, one in of_later.items():
        other = of_earlier[before]
        if one.root != other.root:
            return 0
        distances.add(one.constant - other.constant)
    return max(distances.pop(), 0) if len(distances) == 1 else 0


def _sum(value: str, sums: dict[str, Sum]) -> Sum:
    if _NUMBER.fullmatch(value):
        return Sum("", int(value))
    return sums.get(value, Sum(value, 0))


def _replaced(lines: list[str], twins: dict[str, Sum], carried: set[str]) -> list[str]:
    made: list[str] = []
    owed: list[str] = []  # behind the phis
    addresses: dict[str, tuple[str, str, int]] = {}
    for line in lines:
        phi, add, address, field = (form.match(line) for form in (_PHI, _ADD, _ADDRESS, _FIELD))
        if phi and phi[1] in twins:
            root, constant = twins[phi[1]]
            owed.append(f"  {phi[1]} = add i32 {root}, {constant}{phi[3]}")
            continue
        if owed and not PHI.match(line):
            made += owed
            owed = []
        if add and add[2] in twins:
            root, constant = twins[add[2]]
            line = f"  {add[1]} = add i32 {root}, {constant + int(add[3])}{add[4]}"
        elif add and add[1] in carried:  # may overflow: the earlier value could be used all the same
            line = f"  {add[1]} = add i32 {add[2]}, {add[3]}{add[4]}"
        elif address and address[3] in twins:
            root, constant = twins[address[3]]
            addresses[address[1]] = address[2], root, constant
            twin = _twin(address[1])
            made.append(f"  {twin} = getelementptr i8, ptr {address[2]}, i32 {root}{address[4]}")
            line = f"  {address[1]} = getelementptr i8, ptr {twin}, i32 {constant}{address[4]}"
        elif field and field[2] in addresses:
            base, root, constant = addresses[field[2]]
            if constant + int(field[3]):
                line = (
                    f"  {field[1]} = getelementptr i8, ptr {_twin(field[2])}, i32 {constant + int(field[3])}{field[4]}"
                )
            else:
                line = f"  {field[1]} = getelementptr i8, ptr {base}, i32 {root}{field[4]}"
        made.append(line)
    return made


def _twin(address: str) -> str:
    """The name of an address made of the later value."""
    return f"%insitu.twin.{address[1:]}"
