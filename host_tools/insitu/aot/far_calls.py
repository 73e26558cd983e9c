"""Calls of the far routine, as LLVM takes them: they cost the code around them no registers but the result's.

The routine is assembly that keeps all other registers (stubs/far_*.S). Arm has no calling convention that says so, but
LLVM looks at the registers that a function in the same module changes (its interprocedural register allocation). So
each entry that is called has a stand-in in the module, which changes the result's registers and the flags, for code
generation alone: the linker takes the routine itself. Of other functions nothing is to be learned so, for they are
called by the convention; a weak definition tells LLVM that.

LLVM would copy what follows a far call behind it, and again for each access that follows: two of its options keep it
from that. Options are of the process, and are put back.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "insitu_far_"
_CALLED = re.compile(rf"@({NAME}([ls]\d+)\w*)\(")
_DECLARED = re.compile(rf"^declare .*@({NAME}([ls]\d+)\w*)\(.*$", re.MULTILINE)
_DEFINED = re.compile(r"^define (?:internal|hidden) ", re.MULTILINE)
SECTION = ".insitu_far_stand_in"
# option: where there are far calls, and LLVM's default
_OPTIONS = {"jump-threading-threshold": (10, 6), "tail-dup-placement": (0, 1), "enable-ipra": (1, 0)}


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
    """The text of a module that is ready for code generation."""
    if NAME not in ir:
        return ir
    return _DECLARED.sub(lambda m: _stand_in(m[1], m[2]), _DEFINED.sub("define weak hidden ", ir))


def _stand_in(name: str, kind: str) -> str:
    result, parameters = _result(kind), ", ".join(f"{t} %{i}" for i, t in enumerate(_parameters(kind)))
    return (
        f'define {result} @{name}({parameters}) noinline nounwind section "{SECTION}" {{\n'
        f"  %c = icmp eq i32 %1, 0\n  %r = select i1 %c, {result} 1, {result} 2\n  ret {result} %r\n}}"
    )


@contextlib.contextmanager
def options(ir: str) -> Iterator[None]:
    """LLVM's options as a module's text needs them."""
    wanted = _OPTIONS if NAME in ir else {}
    for option, (value, _) in wanted.items():
        llvm.set_option("insitu", f"-{option}={value}")
    try:
        yield
    finally:
        for option, (_, default) in wanted.items():
            llvm.set_option("insitu", f"-{option}={default}")
