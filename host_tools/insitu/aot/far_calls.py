"""Calls of the far routine, as LLVM takes them: they cost the code around them no registers but the result's.

Each entry that is called has a stand-in (stand_ins.py), which changes the result's registers and the flags.
"""

from __future__ import annotations

import re

from insitu.aot import stand_ins

NAME = stand_ins.FAR
_CALLED = re.compile(rf"@({NAME}([ls]\d+)\w*)\(")
_DECLARED = re.compile(rf"^declare .*@({NAME}([ls]\d+)\w*)\(.*$", re.MULTILINE)


def declarations(ir: str) -> str:
    """Of the entries that a module's text calls. They may trap, so a load whose value nobody wants stays."""
    entries = sorted(set(_CALLED.findall(ir)))
    return "\n".join(["declare i32 @llvm.uadd.sat.i32(i32, i32)", *(_declaration(*entry) for entry in entries)])


def _declaration(name: str, kind: str) -> str:
    effects = "memory(read)" if kind[0] == "l" else "memory(readwrite)"
    return f"declare {_result(kind)} @{name}({', '.join(_parameters(kind))}) cold nounwind {effects}"


def _result(kind: str) -> str:
    return "i64" if kind == "l64" else "i32"


def _parameters(kind: str) -> list[str]:
    stored = {"l": [], "s": ["i64" if kind == "s64" else "i32"]}[kind[0]]
    return ["ptr", "i32", *stored]


def with_stand_ins(ir: str) -> str:
    """A module's text with the entries' stand-ins in place of their declarations."""
    return _DECLARED.sub(lambda m: _stand_in(m[1], m[2]), ir)


def _stand_in(name: str, kind: str) -> str:
    result, parameters = _result(kind), ", ".join(f"{t} %{i}" for i, t in enumerate(_parameters(kind)))
    body = f"  %c = icmp eq i32 %1, 0\n  %r = select i1 %c, {result} 1, {result} 2\n  ret {result} %r"
    return stand_ins.definition(f"{result} @{name}({parameters})", body)
