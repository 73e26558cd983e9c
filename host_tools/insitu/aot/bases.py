"""Tables at a constant address, one addition less for each access: LLVM's IR, text to text, after its passes.

An access to a[i] is at (instance pointer + i) + the address of a, for LLVM keeps constants outside. Arm and RISC-V have
no address of two registers and a constant, so that the first sum is an instruction each time. (Instance pointer + the
address of a) + i is an addition of its own before the loop, and an address of two registers in it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

# Each is a register over the whole function: with 3 the kernels are at 1.264 of native on Cortex-M4F, with 8 at 1.258,
# without any at 1.282.
_MOST = 8

# What load and store instructions hold beside one register is shared by the fields of a struct, and no table:
# VLDR's and LDRD's 8 bits, in words; the negative ones of LDR (ARMv7-M Architecture Reference Manual, A7.7).
_LOWEST, _HIGHEST = -255, 1020

_SUM = re.compile(r"(?m)^  (%[\w.]+) = getelementptr (?:inbounds |nuw |nusw )*(\w+), ptr %inst, i32 (%[\w.]+)$")
_FIELD = re.compile(r"(?m)^  (%[\w.]+) = getelementptr (?:inbounds |nuw |nusw )*i8, ptr (%[\w.]+), i32 (-?\d+)$")
_NAME = re.compile(r"%[\w.]+")


def hoist(ir: str) -> str:
    """A module's IR with the sums of instance pointer and constant made first, at the head of each function."""
    head, *functions = ir.split("\ndefine ")
    return "\ndefine ".join([head, *map(_in_function, functions)])


def _in_function(text: str) -> str:
    """A function's text behind "define "."""
    base_of = _bases(text)
    if not base_of:
        return text
    names = {base: f"%insitu.base{i}" for i, base in enumerate(sorted(set(base_of.values())))}

    def sum_(match: re.Match[str]) -> str:
        operand, element, index = match.groups()
        if operand not in base_of:
            return match[0]
        return f"  {operand} = getelementptr {element}, ptr {names[base_of[operand]]}, i32 {index}"

    def field(match: re.Match[str]) -> str:
        operand, of, constant = match.groups()
        if of not in base_of:
            return match[0]
        return f"  {operand} = getelementptr i8, ptr {of}, i32 {int(constant) - base_of[of]}"

    signature, label, *body = _FIELD.sub(field, _SUM.sub(sum_, text)).split("\n")
    made = [f"  {name} = getelementptr i8, ptr %inst, i32 {base}" for base, name in names.items()]
    return "\n".join([signature, label, *made, *body])


def _bases(text: str) -> dict[str, int]:
    """For each sum of instance pointer and index that is to have another base: the constant in that base."""
    sums = {match[1] for match in _SUM.finditer(text)}
    fields = defaultdict(list)
    for match in _FIELD.finditer(text):
        if match[2] in sums:
            fields[match[2]].append(int(match[3]))
    seen = Counter(_NAME.findall(text))
    wanted = {
        operand: min(constants)
        for operand, constants in fields.items()
        if seen[operand] == 1 + len(constants) and not _one_register(constants)
    }
    often = {base for base, _ in Counter(wanted.values()).most_common(_MOST)}
    return {operand: base for operand, base in wanted.items() if base in often}


def _one_register(constants: list[int]) -> bool:
    """Whether the accesses at these distances from a sum are fields, for which the sum is worth its instruction."""
    return len(set(constants)) > 1 and min(constants) >= _LOWEST and max(constants) <= _HIGHEST
