"""Tables at a constant address, one addition less for each access: LLVM's IR, text to text, after its passes.

An access to a[i] is at (instance pointer + i) + the address of a, for LLVM keeps constants outside. Where an address
may be two registers (Arm), or the constant is more than an instruction holds (RISC-V), that is an addition each time.
(Instance pointer + the address of a) + i is one before the loop, and none, or one less, in it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from insitu.aot.blocks import in_each_function

if TYPE_CHECKING:
    from collections.abc import Iterable

# Each is a register over the whole function: with 3 the kernels are at 1.223 of native on Cortex-M4F, with 5 at 1.221,
# with 8 at 1.224.
_MOST = 5

_ADDED = r"  (%[\w.]+) = getelementptr (?:inbounds |nuw |nusw )*"
_SUM = re.compile(_ADDED + r"(\w+), ptr %inst, i32 (%[\w.]+)(?:, !dbg !\d+)?$")
_FIELD = re.compile(_ADDED + r"i8, ptr (%[\w.]+), i32 (-?\d+)((?:, !dbg !\d+)?)$")


def hoist(ir: str) -> str:
    """A module's IR with the sums of instance pointer and constant made first, at the head of each function."""
    return in_each_function(ir, _in_function)


def _in_function(text: str) -> str:
    """A function's text behind "define "."""
    lines = text.split("\n")
    addresses = [(i, line) for i, line in enumerate(lines) if " = getelementptr " in line]
    indices = {match[1]: (match[2], match[3]) for _, line in addresses if (match := _SUM.match(line))}
    fields = [(i, match.groups()) for i, line in addresses if (match := _FIELD.match(line)) and match[2] in indices]
    names = {
        constant: f"%insitu.base{i}"
        for i, constant in enumerate(_constants((of, constant) for _, (_, of, constant, _) in fields))
    }
    for i, (operand, of, constant, location) in fields:
        if constant in names:
            element, index = indices[of]
            lines[i] = f"  {operand} = getelementptr {element}, ptr {names[constant]}, i32 {index}{location}"
    made = [f"  {name} = getelementptr i8, ptr %inst, i32 {constant}" for constant, name in names.items()]
    return "\n".join([*lines[:2], *made, *lines[2:]])  # behind the signature and the first label


def _constants(fields: Iterable[tuple[str, str]]) -> list[str]:
    """Those that are most often the only one added to a sum: where there are several, the sum is worth a register.

    fields: sums, and what is added to them.
    """
    added = defaultdict(set)
    for of, constant in fields:
        added[of].add(constant)
    alone = Counter(constant for constants in added.values() if len(constants) == 1 for constant in constants)
    return [constant for constant, _ in alone.most_common(_MOST)]
