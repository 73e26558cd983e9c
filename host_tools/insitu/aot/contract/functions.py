"""The functions of an image, what is found in them, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insitu.aot.contract.instruction import Architecture

# Kinds of functions. HOST_CALL, TRAP and POLL are the stub's, SAVE and RESTORE those of aot/stubs/frames_*.S; LIBRARY
# is compiler-rt's; BYTES are those of aot/alignment.py.
PROGRAM, THUNK, LIBRARY, HOST_CALL, TRAP, STUB, BYTES, POLL, SAVE, RESTORE = range(10)


@dataclass(slots=True)
class Function:
    """A function of the linked code.

    Attributes:
        name: of its symbol; label: what a person is told.
        start, size: bytes of the code, Thumb's bit taken off.
        kind: PROGRAM, THUNK...
        incoming: bytes of its arguments that lie on the stack, at most.
        results: how many it has; more than one may lie in memory that the caller gives.
        exposed: whether it can be reached other than by a direct call, and so has its type's calling convention.
        type: index of that type.
        kept: whether it is given the instance pointer in the register for that, not as an argument.
        returns: whether it is known to come back to its caller. Of the program's functions, found out by following
            them: behind a call of one that always traps LLVM lets a function end.
        far: whether it is one of the far routine's (aot/stubs/far_*.S), which keep all registers but their result's.
    """

    name: str
    label: str
    start: int
    size: int
    kind: int
    incoming: int = 0
    results: int = 0
    exposed: bool = False
    type: int = -1
    kept: bool = False
    returns: bool = True
    far: bool = False

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        at: offset of the instruction; depth: bytes of the frame then.
        checked: how deep the stack pointer that was compared with the limit lay; None: none was.
        callee: start of a function, or None: through a register.
        tail: whether the frame is gone and the callee returns to the caller's caller.
    """

    at: int
    depth: int
    checked: int | None
    callee: int | None
    tail: bool


@dataclass(slots=True)
class Walk:
    """What was found in one function.

    Attributes:
        frame: bytes.
        instructions: offset to size.
        constants: offsets of words that are read as data.
        tables: jump tables: offset to end.
        returns: of a library helper: where the stack pointer is when it returns, from where it was on entry. Not 0
            only in the ends of functions that LLVM's outliner made one of, which are jumped to.
    """

    frame: int = 0
    calls: list[Call] = field(default_factory=list)
    instructions: dict[int, int] = field(default_factory=dict)
    constants: set[int] = field(default_factory=set)
    tables: dict[int, int] = field(default_factory=dict)
    returns: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class CallGraph:
    """The functions of an image and their calls, by start: what the operand stack's sizes are sums over.

    Attributes:
        exposed, indirect: starts of the functions that Python, and calls through registers, may reach.
        entered: bytes that the stub has on the stack when it calls a thunk.
    """

    functions: dict[int, Function]
    walks: dict[int, Walk]
    exposed: tuple[int, ...]
    indirect: tuple[int, ...]
    entered: int


@dataclass(slots=True)
class Surroundings:
    """What the functions of one image have in common.

    Attributes:
        code: the linked bytes.
        functions: by start.
        imports: distance of an import's slot below the instance pointer to the bytes of arguments on the stack, and the
            results, that its type has.
        words: signature words of the module's types; (bytes of arguments on the stack, results) of such a type.
        writable: (lowest, end) distances from the instance pointer that program code may write at constant offsets.
        readable: the same of reading.
        conventions: type index to the argument register that brings the instance pointer: 0, or 1 behind the address
            of results that lie in memory.
    """

    architecture: Architecture
    code: bytes
    functions: dict[int, Function]
    imports: dict[int, tuple[int, int]]
    words: dict[int, tuple[int, int]]
    writable: list[tuple[int, int]]
    readable: list[tuple[int, int]]
    conventions: dict[int, int]


class Broken(Exception):
    """The contract is broken at the instruction under consideration."""
