"""RV32IMC, Zba, Zbb, Zbs, Zbkb: The RISC-V Instruction Set Manual, Volume I, their chapters and opcode listings.

The encodings are few and regular, so they are taken apart here; tests compare them with capstone.
"""

from __future__ import annotations

from functools import cache

from insitu.aot.contract import instruction as do
from insitu.aot.contract.instruction import Architecture, Effect, Instruction, NotAllowed

_RA, _SP, _T0 = 1, 2, 5
_RESERVED = (3, 4)  # gp, tp


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _gather(word: int, *places: tuple[int, int, int]) -> int:
    """An immediate from its parts: (lowest bit in the word, number of bits, where they go)."""
    return sum((word >> low & (1 << count) - 1) << to for low, count, to in places)


def _add(d: int, s: int, constant: int) -> Effect:
    return (do.ADD, d, s, constant) if s else (do.SET, d, constant & 0xFFFFFFFF)


def _load(d: int, base: int, offset: int, width: int) -> Instruction:
    if not d:
        raise NotAllowed("a load into the register that is always 0")
    return Instruction(4, ((do.LOAD, d, base, offset, width),))


_CONDITIONS = {0: do.EQ, 1: do.NE, 4: do.LT, 5: do.GE, 6: do.LOWER, 7: do.SAME_OR_HIGHER}
_LOADS = {0: 1, 1: 2, 2: 4, 4: 1, 5: 2}
_SIGNED_LOADS = {0, 1}  # what they load may be any number
_STORES = {0: 1, 1: 2, 2: 4}
_SHIFT_ADD = {2: 1, 4: 2, 6: 3}  # SH1ADD, SH2ADD, SH3ADD of Zba
# Upper 7 bits of operations on registers: I, M, SUB and its like, and those of Zba, Zbb, Zbs and Zbkb.
_OPERATIONS = frozenset((0x00, 0x01, 0x20, 0x04, 0x05, 0x10, 0x14, 0x24, 0x30, 0x34))


def _jump(d: int, offset: int, size: int) -> Instruction:
    if d == 0:
        return Instruction(size, (), do.JUMP, offset)
    if d == _RA:
        return Instruction(size, (), do.CALL, offset)
    if d == _T0:
        return Instruction(size, (), do.CALL, offset, kept=d)
    raise NotAllowed("a call that keeps its return address in neither ra nor t0")


def _jump_register(d: int, s: int, offset: int, size: int) -> Instruction:
    if d == 0:
        return Instruction(size, (), do.JUMP_REGISTER, offset, s)
    if d == _RA:
        return Instruction(size, (), do.CALL_REGISTER, offset, s)
    if d == _T0:
        return Instruction(size, (), do.CALL_REGISTER, offset, s, kept=d)
    raise NotAllowed("a call that keeps its return address in neither ra nor t0")


def _immediate_operation(function: int, high: int, d: int, s: int, constant: int) -> tuple[Effect, ...]:
    """With a constant. function 1 and 5 are shifts where high is 0, and much of Zbb, Zbs and Zbkb elsewhere."""
    if not d:
        return ()
    if function == 0:
        return ((do.COPY, d, s) if constant == 0 and s else _add(d, s, constant),)
    if function == 1 and high == 0:
        return ((do.SHIFT, d, s, constant & 31),)
    if function == 7 and constant >= 0:
        return ((do.BOUND, d, constant),)
    if function == 5 and high == 0 and constant & 31:
        return ((do.SHIFT_RIGHT, d, s, constant & 31),)
    if function in (2, 3):
        return ((do.BOUND, d, 1),)
    return ((do.WRITE, d),)


def _operation(function: int, high: int, d: int, a: int, b: int) -> tuple[Effect, ...]:
    if not d:
        return ()
    if high == 0 and function == 0:
        return ((do.SUM, d, a, b, 0),)
    if high == 0x10 and function in _SHIFT_ADD:
        return ((do.SUM, d, b, a, _SHIFT_ADD[function]),)
    if high == 0x20 and function == 0:
        return ((do.DIFFERENCE, d, a, b),)
    return ((do.WRITE, d),)


def _wide(word: int) -> Instruction:
    opcode, d, function = word & 0x7F, word >> 7 & 31, word >> 12 & 7
    a, b, high = word >> 15 & 31, word >> 20 & 31, word >> 25
    immediate = _signed(word >> 20, 12)
    if opcode == 0x13:
        return Instruction(4, _immediate_operation(function, high, d, a, immediate))
    if opcode == 0x33 and high in _OPERATIONS:
        return Instruction(4, _operation(function, high, d, a, b))
    if opcode == 0x03 and function in _LOADS:
        loaded = _load(d, a, immediate, _LOADS[function])
        return Instruction(4, (*loaded.effects, (do.WRITE, d))) if function in _SIGNED_LOADS else loaded
    if opcode == 0x23 and function in _STORES:
        offset = _signed(high << 5 | d, 12)
        return Instruction(4, ((do.STORE, b, a, offset, _STORES[function]),))
    if opcode == 0x63 and function in _CONDITIONS:
        offset = _signed(_gather(word, (8, 4, 1), (25, 6, 5), (7, 1, 11), (31, 1, 12)), 13)
        return Instruction(4, ((do.COMPARE, a, b),), do.BRANCH, offset, condition=_CONDITIONS[function])
    if opcode == 0x37:
        return Instruction(4, ((do.SET, d, word & 0xFFFFF000),) if d else ())
    if opcode == 0x17:
        return Instruction(4, ((do.PC, d, _signed(word & 0xFFFFF000, 32), 1),) if d else ())
    if opcode == 0x6F:
        offset = _signed(_gather(word, (21, 10, 1), (20, 1, 11), (12, 8, 12), (31, 1, 20)), 21)
        return _jump(d, offset, 4)
    if opcode == 0x67 and function == 0:
        return _jump_register(d, a, immediate, 4)
    raise NotAllowed(f"the instruction {word:08x} is none that program code may have")


def _quadrant0(word: int) -> Instruction:
    d, base, function = 8 + (word >> 2 & 7), 8 + (word >> 7 & 7), word >> 13
    offset = _gather(word, (6, 1, 2), (10, 3, 3), (5, 1, 6))
    if function == 0 and word >> 5 & 0xFF:
        constant = _gather(word, (6, 1, 2), (5, 1, 3), (11, 2, 4), (7, 4, 6))
        return Instruction(2, ((do.ADD, d, _SP, constant),))
    if function == 2:
        return Instruction(2, ((do.LOAD, d, base, offset, 4),))
    if function == 6:
        return Instruction(2, ((do.STORE, d, base, offset, 4),))
    raise NotAllowed(f"the instruction {word:04x} is none that program code may have")


def _arithmetic(word: int) -> Instruction:
    """Quadrant 1, function 4: registers 8 to 15."""
    d, kind, amount = 8 + (word >> 7 & 7), word >> 10 & 3, word >> 2 & 31
    if kind == 0 and amount and not word >> 12 & 1:
        return Instruction(2, ((do.SHIFT_RIGHT, d, d, amount),))
    if kind == 1 and not word >> 12 & 1:
        return Instruction(2, ((do.WRITE, d),))
    if kind == 2:
        constant = _signed(_gather(word, (2, 5, 0), (12, 1, 5)), 6)
        return Instruction(2, ((do.BOUND, d, constant) if constant >= 0 else (do.WRITE, d),))
    if kind == 3 and not word >> 12 & 1:
        subtract = word >> 5 & 3 == 0
        return Instruction(2, ((do.DIFFERENCE, d, d, 8 + (word >> 2 & 7)) if subtract else (do.WRITE, d),))
    raise NotAllowed(f"the instruction {word:04x} is none that program code may have")


def _quadrant1(word: int) -> Instruction:
    d, function = word >> 7 & 31, word >> 13
    constant = _signed(_gather(word, (2, 5, 0), (12, 1, 5)), 6)
    if function == 0:
        return Instruction(2, ((do.ADD, d, d, constant),) if d else ())
    if function in (1, 5):
        places = (3, 3, 1), (11, 1, 4), (2, 1, 5), (7, 1, 6), (6, 1, 7), (9, 2, 8), (8, 1, 10), (12, 1, 11)
        return _jump(_RA if function == 1 else 0, _signed(_gather(word, *places), 12), 2)
    if function == 2:
        return Instruction(2, ((do.SET, d, constant & 0xFFFFFFFF),) if d else ())
    if function == 3 and d == _SP and constant:
        amount = _signed(_gather(word, (6, 1, 4), (2, 1, 5), (5, 1, 6), (3, 2, 7), (12, 1, 9)), 10)
        return Instruction(2, ((do.ADD, _SP, _SP, amount),))
    if function == 3 and constant:
        return Instruction(2, ((do.SET, d, constant << 12 & 0xFFFFFFFF),) if d else ())
    if function == 4:
        return _arithmetic(word)
    if function in (6, 7):
        offset = _signed(_gather(word, (3, 2, 1), (10, 2, 3), (2, 1, 5), (5, 2, 6), (12, 1, 8)), 9)
        compare = ((do.COMPARE_CONSTANT, 8 + (word >> 7 & 7), 0),)
        return Instruction(2, compare, do.BRANCH, offset, condition=do.EQ if function == 6 else do.NE)
    raise NotAllowed(f"the instruction {word:04x} is none that program code may have")


def _quadrant2(word: int) -> Instruction:
    d, s, function = word >> 7 & 31, word >> 2 & 31, word >> 13
    if function == 0 and not word >> 12 & 1:
        return Instruction(2, ((do.SHIFT, d, d, s),) if d else ())
    if function == 2 and d:
        return Instruction(2, ((do.LOAD, d, _SP, _gather(word, (4, 3, 2), (12, 1, 5), (2, 2, 6)), 4),))
    if function == 6:
        return Instruction(2, ((do.STORE, s, _SP, _gather(word, (9, 4, 2), (7, 2, 6)), 4),))
    if function == 4 and s:
        if not d:
            return Instruction(2)
        return Instruction(2, ((do.SUM, d, d, s, 0) if word >> 12 & 1 else (do.COPY, d, s),))
    if function == 4 and d:
        return _jump_register(_RA if word >> 12 & 1 else 0, d, 0, 2)
    raise NotAllowed(f"the instruction {word:04x} is none that program code may have")


def _narrow(word: int) -> Instruction:
    return (_quadrant0, _quadrant1, _quadrant2)[word & 3](word)


_WRITES_NOTHING = (do.STORE, do.COMPARE, do.COMPARE_CONSTANT)


@cache
def _decode(word: int) -> Instruction:
    made = _wide(word) if word & 3 == 3 else _narrow(word)
    if any(effect[1] in _RESERVED and effect[0] not in _WRITES_NOTHING for effect in made.effects):
        raise NotAllowed("gp and tp are the firmware's, and nobody saves them")
    return made


def decode(code: bytes, offset: int) -> Instruction:
    """The instruction at offset; raises NotAllowed."""
    size = 4 if code[offset] & 3 == 3 else 2
    return _decode(int.from_bytes(code[offset : offset + size], "little"))


ARCHITECTURE = Architecture(
    decode=decode,
    registers=32,
    sp=_SP,
    link=_RA,
    zero=0,
    arguments=tuple(range(10, 18)),
    results=2,
    saved=(8, 9, *range(18, 28)),
    instance=do.NO_REGISTER,
    lost=(1, 5, 6, 7, *range(10, 18), 28, 29, 30, 31),
    even_pairs=False,
    far_jumps=False,
    code_bit=0,
)
