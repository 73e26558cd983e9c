"""Routines in assembly that keep all registers but their result's, as LLVM takes calls of them.

Arm has no calling convention that says so, but LLVM looks at the registers that a function in the same module changes
(its interprocedural register allocation). So a routine that is called has a stand-in in the module, for code generation
alone: the linker takes the routine itself (stubs/far_*.S, stubs/poll_*.S). Of other functions nothing is to be learned
so, for they are called by the convention; a weak definition tells LLVM that.

LLVM would copy what follows a far call behind it, and again for each access that follows: two of its options keep it
from that. One more puts such calls behind the loops that they are in, and one merges what ends in the same two
instructions. LLVM gives up to inline a function as soon as it costs more than its own threshold, before it looks at the
one that ir.py sets, which leaves far calls out: with one option it goes on. Where a poll comes last before a loop, LLVM
would copy what is left of its block, a jump, to those before it, and moves nothing out of a loop that has no such
block: one option keeps it (quicksort on rv32 takes 1.14 of the instructions so, not 1.31). Options are of the process,
and are put back.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FAR, POLL = "insitu_far_", "insitu_poll"  # how the names of the routines begin
SECTION = ".insitu_stand_in"
_DEFINED = re.compile(r"^define (?:internal|hidden) ", re.MULTILINE)
# option: where such a routine is called, and LLVM's default
_OPTIONS = {
    FAR: {
        "jump-threading-threshold": (10, 6),
        "tail-dup-placement": (0, 1),
        "enable-ipra": (1, 0),
        "force-loop-cold-block": (1, 0),
        "inline-cost-full": (1, 0),
        "tail-merge-size": (2, 3),
    },
    POLL: {"enable-ipra": (1, 0), "disable-early-taildup": (1, 0)},
}


def called(ir: str) -> bool:
    """Whether a module's text calls any."""
    return any(name in ir for name in _OPTIONS)


def weak(ir: str) -> str:
    """A module's text with its functions as those of which nothing is to be learned."""
    return _DEFINED.sub("define weak hidden ", ir)


def definition(head: str, body: str) -> str:
    """Of a stand-in. head: result, name and parameters; body: its lines."""
    return f'define {head} noinline nounwind section "{SECTION}" {{\n{body}\n}}'


@contextlib.contextmanager
def options(ir: str) -> Iterator[None]:
    """LLVM's options as a module's text needs them."""
    import llvmlite.binding as llvm  # not before: what compiles nothing has names from this file, too

    wanted = {option: values for name, row in _OPTIONS.items() if name in ir for option, values in row.items()}
    for option, (value, _) in wanted.items():
        llvm.set_option("insitu", f"-{option}={value}")
    try:
        yield
    finally:
        for option, (_, default) in wanted.items():
            llvm.set_option("insitu", f"-{option}={default}")
