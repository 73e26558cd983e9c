"""What an instruction does, in the few terms that the contract asks about; the same for every architecture.

An architecture's file (thumb.py, riscv.py) turns one encoding into one Instruction; walk.py follows them. What an
encoding does to registers is a short list of effects, each a tuple whose first item is one of the numbers below.
Registers are numbers, those that never hold an address (an FPU's) are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Effect = tuple[int, ...]

(
    WRITE,  # d: a value that nothing is known of
    COPY,  # d, s
    SET,  # d, constant
    SET_HIGH,  # d, the upper 16 bits of a constant
    ADD,  # d, s, constant
    SUM,  # d, a, b, shift: a + (b << shift)
    DIFFERENCE,  # d, a, b
    SHIFT,  # d, s, constant: to the left
    INVERT,  # d, s: each bit
    BOUND,  # d, constant: some value not above it
    LOAD,  # d, base, offset, bytes
    LOAD_AT,  # d, base, index, shift, bytes
    STORE,  # s, base, offset, bytes; s NO_REGISTER: of a value that is not followed
    STORE_AT,  # s, base, index, shift, bytes
    COMPARE,  # a, b: what the condition of a branch is about
    COMPARE_CONSTANT,  # a, constant
    FORGET_FLAGS,  # the flags are of something else
    PC,  # d, offset, alignment: address of the instruction, rounded down, plus offset
    LITERAL,  # d, offset, alignment: the word that lies there
    SUM_PC,  # d, s, offset: s + address of the instruction + offset
    AND,  # d, a, b: some value not above either
    SHIFT_RIGHT,  # d, s, constant: zeros come in from the left
    COMPARE_SHIFTED,  # a, b, constant: of a, and b shifted right so
) = range(23)
NO_REGISTER = -1

# How control goes on.
NEXT, JUMP, BRANCH, CALL, CALL_REGISTER, JUMP_REGISTER, TABLE = range(7)

# What a branch is taken on. Those behind LOWER_OR_SAME say nothing that is used here; each but OTHER has its opposite.
EQ, NE, LOWER, SAME_OR_HIGHER, HIGHER, LOWER_OR_SAME, GE, LT, GT, LE, MINUS, PLUS, OVERFLOW, NO_OVERFLOW, OTHER = range(
    15
)
OPPOSITE = (
    NE,
    EQ,
    SAME_OR_HIGHER,
    LOWER,
    LOWER_OR_SAME,
    HIGHER,
    LT,
    GE,
    LE,
    GT,
    PLUS,
    MINUS,
    NO_OVERFLOW,
    OVERFLOW,
    OTHER,
)
# The same condition with its two operands exchanged.
EXCHANGED = (EQ, NE, HIGHER, LOWER_OR_SAME, LOWER, SAME_OR_HIGHER, *(OTHER,) * 9)


class NotAllowed(Exception):
    """An instruction that program code must not have: it is not on the list, or does what no program may."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        size: bytes.
        effects: in order; before control goes on.
        flow: NEXT, JUMP...
        target: of JUMP, BRANCH, CALL: distance from the instruction. Of CALL_REGISTER, JUMP_REGISTER: added to the
            register. Of TABLE: bytes of an entry.
        register: of CALL_REGISTER, JUMP_REGISTER: where to; of TABLE: the index.
        condition: of BRANCH, and of what follows predicates.
        predicates: of Thumb's IT: whether each instruction behind it is executed where the condition holds, or where
            it does not.
        kept: of CALL, CALL_REGISTER: where the return address is, if not in the register for that.
    """

    size: int
    effects: tuple[Effect, ...] = ()
    flow: int = NEXT
    target: int = 0
    register: int = NO_REGISTER
    condition: int = OTHER
    predicates: tuple[bool, ...] = ()
    kept: int = NO_REGISTER


@dataclass(frozen=True, slots=True)
class Architecture:
    """What walk.py must know of a CPU.

    Attributes:
        decode: code, offset to the instruction there; raises NotAllowed.
        registers: how many there are; sp, link: which of them.
        zero: the register that is always 0, or NO_REGISTER.
        arguments: registers that take the first arguments.
        results: how many of those take results.
        saved: registers that a function leaves as it found them.
        instance: one of those, in which some functions are given the instance pointer; or NO_REGISTER.
        lost: registers that a call may change.
        even_pairs: whether an argument of 8 bytes begins with a register of even number.
        far_jumps: whether a call of a place in the same function is a jump.
        code_bit: of the address of a function.
    """

    decode: Callable[[bytes, int], Instruction]
    registers: int
    sp: int
    link: int
    zero: int
    arguments: tuple[int, ...]
    results: int
    saved: tuple[int, ...]
    instance: int
    lost: tuple[int, ...]
    even_pairs: bool
    far_jumps: bool
    code_bit: int
