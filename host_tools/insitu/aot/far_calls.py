"""Calls of the far routine, as LLVM takes them: they cost the code around them no registers but the result's.

Each entry that is called has a stand-in (stand_ins.py), which changes the result's registers and the flags.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from insitu.aot import stand_ins

if TYPE_CHECKING:
    from insitu.aot.blocks import Block, Blocks
    from insitu.aot.targets import Target

NAME = stand_ins.FAR
_CALLED = re.compile(rf"@({NAME}([ls]\d+)\w*)\(")
_DECLARED = re.compile(rf"^declare .*@({NAME}([ls]\d+)\w*)\(.*$", re.MULTILINE)
_RESULTS = {"l": "i32", "s": "void"} | {"l64": "i64"}  # by kind, or its first letter
_WORDS = {"void": 0, "i32": 1, "i64": 2}


def call(target: Target, kind: str, offset: int, address: str, value: str = "") -> str:
    """The text of a call. kind: l or s, the bits, and for less than 32 of a load whether it is u or s."""
    operands = ["%inst", *["poison"] * target.instance_register, address, *[value] * (kind[0] == "s")]
    passed = ", ".join(f"{t} {v}" for t, v in zip(_parameters(target, kind), operands, strict=True))
    return f"notail call {_result(kind)} @{NAME}{kind}_{offset}({passed}), !tbaa !memory"


def result_words(name: str) -> int:
    """Registers that the function of the far routine with this name changes, from the first of arguments on."""
    return _WORDS[_result(name.removeprefix(NAME).partition("_")[0])] if name.startswith(NAME) else 0


def declarations(target: Target, ir: str) -> str:
    """Of the entries that a module's text calls. They may trap, so a load whose value nobody wants stays."""
    entries = sorted(set(_CALLED.findall(ir)))
    return "\n".join(["declare i32 @llvm.uadd.sat.i32(i32, i32)", *(_declaration(target, *entry) for entry in entries)])


def _declaration(target: Target, name: str, kind: str) -> str:
    effects = "memory(read)" if kind[0] == "l" else "memory(readwrite)"
    return f"declare {_result(kind)} @{name}({', '.join(_parameters(target, kind))}) cold nounwind {effects}"


def _result(kind: str) -> str:
    return _RESULTS.get(kind) or _RESULTS[kind[0]]


def _parameters(target: Target, kind: str) -> list[str]:
    """The address comes in the second register. The first one's is not used where the instance has its own."""
    instance = ["ptr swiftself", "i32"] if target.instance_register else ["ptr"]
    return [*instance, "i32", *(["i64" if kind == "s64" else "i32"] if kind[0] == "s" else [])]


def is_far(block: Block) -> bool:
    """Whether a block calls the far routine."""
    return any(NAME in line for line in block.lines)


def slow(blocks: Blocks) -> list[str]:
    """Those of a function's blocks that only far accesses lead to, and these."""
    far = [name for name, block in blocks.items() if is_far(block)]
    near = blocks.reached(next(iter(blocks)), *far)
    return [name for name in blocks if name not in near]


def with_stand_ins(target: Target, ir: str) -> str:
    """A module's text with the entries' stand-ins in place of their declarations."""
    return _DECLARED.sub(lambda m: _stand_in(target, m[1], m[2]), ir)


# Of a store: flags change, no register does. Of two signs, for Thumb has a branch for zero that leaves flags.
_STORES = """  %c = icmp slt i32 %address, 0
  br i1 %c, label %low, label %end
low:
  store volatile i32 %address, ptr %inst
  br label %end
end:
  ret void"""


def _stand_in(target: Target, name: str, kind: str) -> str:
    result, names = _result(kind), ["%inst", *["%unused"] * target.instance_register, "%address", "%value"]
    parameters = ", ".join(f"{t} {n}" for t, n in zip(_parameters(target, kind), names, strict=False))
    body = f"  %c = icmp eq i32 %address, 0\n  %r = select i1 %c, {result} 1, {result} 2\n  ret {result} %r"
    return stand_ins.definition(f"{result} @{name}({parameters})", _STORES if kind[0] == "s" else body)
