"""Short loops that go on as long as loaded values say, written out several times: WebAssembly to WebAssembly.

LLVM does so with native code, and not here, for each bounds check is one more way out of the loop. In a loop over bytes
or the nodes of a list, what is checked in one round often implies the next one's checks (ranges.py).

    loop BODY end   becomes   block loop  block BODY br 2 end  block BODY br 2 end  BODY  end end

A branch to the loop's head ends the block around a copy, and so goes on with the next copy; in the last one it goes to
the head. Loops that count are left to LLVM, which knows how often they go round.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from insitu.wasm.opcodes import OPCODES, codes
from insitu.wasm.types import FuncType

if TYPE_CHECKING:
    from insitu.wasm.module import Expression, Instruction

# In instructions of WebAssembly: the longest loop, and the most that become of one, but for a second copy.
_LONGEST, _MOST = 64, 64
# Branches of a loop: where there are more ways through it, it seldom goes from one copy to the next. Matching regular
# expressions takes as long without, and 0.9 of the bytes; with a window on memory, 1.05 of the instructions.
_WAYS = 4

_BLOCK, _LOOP, _IF, _END, _BR, _BR_IF = codes("block", "loop", "if", "end", "br", "br_if")
_BR_TABLE, _CALL, _CALL_INDIRECT = codes("br_table", "call", "call_indirect")
_LOCAL_GET, _LOCAL_SET, _LOCAL_TEE = codes("local.get", "local.set", "local.tee")


def unrolled(body: Expression, copies: int, *, window: bool = False) -> Expression:
    """A function's body with such loops written out, so often at most. window: whether memory has one."""
    made: Expression = []
    opened: list[int] = []  # where in made; of loops, the last one opened is an innermost one
    innermost = -1
    for instruction in body:
        opcode = instruction[0]
        if opcode in (_BLOCK, _LOOP, _IF):
            opened.append(len(made))
            innermost = len(made) if opcode == _LOOP else innermost
        made.append(instruction)
        if opcode == _END and opened:
            start = opened.pop()
            if start == innermost and _is_short(made[start:], window) and _goes_on_by_data(made[start + 1 : -1]):
                made[start:] = _written_out(made[start], made[start + 1 : -1], copies)
    return made


def _is_short(loop: Expression, window: bool) -> bool:
    left = (_BR_TABLE, _CALL, _CALL_INDIRECT)
    opcodes = [opcode for opcode, *_ in loop]
    if not window and opcodes.count(_BR) + opcodes.count(_BR_IF) > _WAYS:
        return False
    return len(loop) <= _LONGEST and not loop[0][1].params and not any(opcode in left for opcode in opcodes)


def _goes_on_by_data(inside: Expression) -> bool:
    """Whether a branch to the loop's head is not conditional, or what was loaded in the loop is in its condition."""
    loaded = {
        immediate
        for (load, *_), (opcode, immediate, _) in pairwise(inside)
        if _is_load(load) and opcode in (_LOCAL_SET, _LOCAL_TEE)
    }
    for at, depth in enumerate(_depths(inside)):
        opcode, immediate, _ = inside[at]
        if opcode == _BR and immediate == depth:
            return True
        if opcode == _BR_IF and immediate == depth:
            return any(_is_load(op) or (op == _LOCAL_GET and of in loaded) for op, of, _ in _condition(inside[:at]))
    return False


def _is_load(opcode: int) -> bool:
    return bool(OPCODES[opcode].width and OPCODES[opcode].results)


def _condition(before: Expression) -> Iterator[Instruction]:
    """What makes the topmost operand after these instructions, the last one first, as far as it can be told."""
    wanted = 1
    for instruction in reversed(before):
        opcode = instruction[0]
        params, results = OPCODES[opcode].params, OPCODES[opcode].results
        if opcode == _LOCAL_GET:
            wanted -= 1
        elif opcode != _LOCAL_TEE:
            if params is None or results is None:
                return
            wanted += len(params) - len(results)
        yield instruction
        if not wanted:
            return


def _depths(inside: Expression) -> Iterator[int]:
    """For each instruction, how many blocks it is in; an end is in its block no more."""
    depth = 0
    for opcode, *_ in inside:
        depth -= opcode == _END
        yield depth
        depth += opcode in (_BLOCK, _LOOP, _IF)


def _written_out(loop: Instruction, inside: Expression, most: int) -> Expression:
    _, block_type, offset = loop
    copies = max(2, min(most, _MOST // len(inside)))
    end: Instruction = (_END, None, offset)
    once = [(_BLOCK, FuncType((), ()), offset), *_deeper(inside, 2), (_BR, 2, offset), end]
    return [(_BLOCK, block_type, offset), loop, *once * (copies - 1), *_deeper(inside, 1), end, end]


def _deeper(inside: Expression, by: int) -> Expression:
    """The same in as many blocks more: branches out of the loop skip them."""
    return [
        (opcode, immediate + by if opcode in (_BR, _BR_IF) and immediate > depth else immediate, offset)
        for (opcode, immediate, offset), depth in zip(inside, _depths(inside), strict=True)
    ]
