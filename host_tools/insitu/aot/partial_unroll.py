"""Short loops with a constant number of turns, written out some times by LLVM: IR text to text, after its passes.

For a target whose code grows more than it gains where LLVM does so with all of them. In a function with loops in loops,
those that are in no other stay as they are: what is set up there is not what takes the time. So do loops with calls,
which take longer than what is saved; each turn of one that calls an import polls, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from insitu.aot import counted, passes
from insitu.aot.blocks import CALLEE, Blocks, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import llvmlite.binding as llvm

# In lines: what a loop becomes at most; and the longest that is there twice, be that more.
_MOST, _LONGEST = 40, 32
_COPIES = range(4, 1, -1)

_NOTE = ", !llvm.loop !"
_NUMBERED = re.compile(r"^!(\d+) = ", re.MULTILINE)


def unrolled(ir: str, following: Callable[[], tuple[llvm.FunctionPassManager, llvm.PassBuilder]]) -> str:
    """A module's text with such loops; the same where there are none. following: makes the passes that follow."""
    head, *functions = ir.split("\ndefine ")
    number = max(map(int, _NUMBERED.findall(ir)), default=0)
    texts = [_noted(text, number) for text in functions]
    names = [name_of(text) for text in texts if text]
    if not names:
        return ir
    text = "\ndefine ".join([head, *(new or old for new, old in zip(texts, functions, strict=True))])
    behind, builder = following()
    return passes.run(text + _metadata(number), names, builder, passes.made("add_loop_unroll_pass"), behind)


def _noted(text: str, number: int) -> str:
    """A function's text with how often LLVM is to write loops out; "" where it is to leave all.

    number: the last one of the module's metadata.
    """
    blocks = Blocks(text)
    innermost = blocks.innermost(blocks)
    outer = blocks.loops(blocks) if innermost else []
    nested = any(members not in outer for _, members in innermost)
    noted = False
    for head, members in innermost:
        loop = counted.find(blocks, head, members)
        if loop is None or loop.turns is None or (nested and members in outer) or _calls(blocks, members):
            continue
        end, copies = blocks[loop.latch].end, _copies(loop.turns + 1, _lines(blocks, members))
        if copies and end[0].startswith("  br ") and _NOTE not in end[0]:
            end[0] += f"{_NOTE}{number + 2 * copies}"
            noted = True
    return blocks.text() if noted else ""


def _calls(blocks: Blocks, members: set[str]) -> bool:
    called = (CALLEE.search(line) for name in members for line in blocks[name].lines)
    return any(found and not found[1].startswith("@llvm.") for found in called)


def _lines(blocks: Blocks, members: set[str]) -> int:
    return sum(len(blocks[name].lines) + 1 for name in members)


def _copies(turns: int, lines: int) -> int:
    """How often a loop is to stand there; 0: once."""
    fitting = (n for n in _COPIES if turns % n == 0 and (n * lines <= _MOST or (n == 2 and lines <= _LONGEST)))
    return next(fitting, 0)


def _metadata(number: int) -> str:
    rows = []
    for copies in _COPIES:
        n = number + 2 * copies
        rows += [f"!{n} = distinct !{{!{n}, !{n + 1}}}", f'!{n + 1} = !{{!"llvm.loop.unroll.count", i32 {copies}}}']
    return "\n".join(["", *rows, ""])
