"""Tables at a constant address, one addition less for each access: LLVM's IR, text to text, after its passes.

An access to a[i] is at (instance pointer + i) + the address of a, for LLVM keeps constants outside. Where an address
may be two registers (Arm), or the constant is more than an instruction holds (RISC-V), that is an addition each time.
(Instance pointer + the address of a) + i is one before the loop, and none, or one less, in it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from insitu.aot.blocks import in_each_function

# Each is a register over the whole function: with 3 the kernels are at 1.223 of native on Cortex-M4F, with 5 at 1.221,
# with 8 at 1.224.
_MOST = 5

_ADDED = r"(?m)^  (%[\w.]+) = getelementptr (?:inbounds |nuw |nusw )*"
_SUM = re.compile(_ADDED + r"(\w+), ptr %inst, i32 (%[\w.]+)(?:, !dbg !\d+)?$")
_FIELD = re.compile(_ADDED + r"i8, ptr (%[\w.]+), i32 (-?\d+)((?:, !dbg !\d+)?)$")


def hoist(ir: str) -> str:
    """A module's IR with the sums of instance pointer and constant made first, at the head of each function."""
    return in_each_function(ir, _in_function)


def _in_function(text: str) -> str:
    """A function's text behind "define "."""
    indices = {match[1]: (match[2], match[3]) for match in _SUM.finditer(text)}
    names = {constant: f"%insitu.base{i}" for i, constant in enumerate(_constants(text, indices))}

    def field(match: re.Match[str]) -> str:
        operand, of, constant, location = match.groups()
        if of not in indices or constant not in names:
            return match[0]
        element, index = indices[of]
        return f"  {operand} = getelementptr {element}, ptr {names[constant]}, i32 {index}{location}"

    signature, label, *body = _FIELD.sub(field, text).split("\n")
    made = [f"  {name} = getelementptr i8, ptr %inst, i32 {constant}" for constant, name in names.items()]
    return "\n".join([signature, label, *made, *body])


def _constants(text: str, sums: dict[str, tuple[str, str]]) -> list[str]:
    """Those that are most often the only one added to a sum: where there are several, the sum is worth a register."""
    added = defaultdict(set)
    for match in _FIELD.finditer(text):
        if match[2] in sums:
            added[match[2]].add(match[3])
    alone = Counter(constant for constants in added.values() if len(constants) == 1 for constant in constants)
    return [constant for constant, _ in alone.most_common(_MOST)]
