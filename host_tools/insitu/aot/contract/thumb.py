"""Thumb of ARMv6-M and ARMv7-M with the DSP and floating-point extensions, as LLVM writes it.

Instructions are those of the Architecture Reference Manual's chapter A7, decoded by capstone one encoding at a time.
The tables below are all that program code may have: what is on none of them is refused, such as MRS, MSR, SVC, CPS,
BKPT, barriers, exclusive accesses and VMSR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import capstone
from capstone import arm

from insitu.aot.contract import instruction as do
from insitu.aot.contract.instruction import NO_REGISTER, Architecture, Effect, Instruction, NotAllowed

_SP, _LR, _PC = 13, 14, 15
_APSR = (arm.ARM_SYSREG_APSR, arm.ARM_SYSREG_APSR_NZCVQ)
_R12 = 12
_CORE = {getattr(arm, f"ARM_REG_R{i}"): i for i in range(13)} | {
    arm.ARM_REG_SP: _SP,
    arm.ARM_REG_LR: _LR,
    arm.ARM_REG_PC: _PC,
}
_CONDITIONS = {
    arm.ARM_CC_EQ: do.EQ,
    arm.ARM_CC_NE: do.NE,
    arm.ARM_CC_LO: do.LOWER,
    arm.ARM_CC_HS: do.SAME_OR_HIGHER,
    arm.ARM_CC_HI: do.HIGHER,
    arm.ARM_CC_LS: do.LOWER_OR_SAME,
    arm.ARM_CC_GE: do.GE,
    arm.ARM_CC_LT: do.LT,
    arm.ARM_CC_GT: do.GT,
    arm.ARM_CC_LE: do.LE,
    arm.ARM_CC_MI: do.MINUS,
    arm.ARM_CC_PL: do.PLUS,
    arm.ARM_CC_VS: do.OVERFLOW,
    arm.ARM_CC_VC: do.NO_OVERFLOW,
}


def _ids(names: str) -> set[int]:
    return {getattr(arm, f"ARM_INS_{name}") for name in names.split()}


# The first operand is written, and nothing is known of the result.
_ONE_RESULT = _ids(
    "ADC BFI BIC CLZ EOR MLA MLS MUL ORN ORR RBIT REV REV16 REVSH ROR RRX RSB SBC SDIV UDIV SXTB SXTH SXTAB SXTAH"
    " UXTAB UXTAH SBFX SSAT USAT SMMUL SMMULR SMMLA SMMLAR SMMLS SMMLSR SMULBB SMULBT SMULTB SMULTT SMULWB SMULWT"
    " SMLABB SMLABT SMLATB SMLATT SMLAWB SMLAWT SMUAD SMUADX SMUSD SMUSDX SMLAD SMLADX SMLSD SMLSDX PKHBT PKHTB"
    " UXTB16 SXTB16 UADD8 SADD8 UADD16 SADD16 SEL QADD QSUB QDADD QDSUB QADD8 QADD16 QSUB8 QSUB16 UQADD8 UQADD16"
    " UQSUB8 UQSUB16 ASR BFC"
)
_TWO_RESULTS = _ids("SMULL UMULL SMLAL UMLAL UMAAL SMLALBB SMLALBT SMLALTB SMLALTT SMLALD SMLALDX SMLSLD SMLSLDX")
_FLOATS = _ids(
    "VADD VSUB VMUL VDIV VSQRT VNEG VABS VCMP VCMPE VCVT VCVTB VCVTT VCVTR VMLA VMLS VNMUL VNMLA VNMLS"
    " VFMA VFMS VFNMA VFNMS FCONSTS FCONSTD VSELGE VSELGT VSELEQ VSELVS VMAXNM VMINNM VCVTA VCVTN VCVTP VCVTM"
    " VRINTA VRINTM VRINTN VRINTP VRINTR VRINTX VRINTZ"
)
_LOADS = dict.fromkeys(_ids("LDR"), 4) | dict.fromkeys(_ids("LDRB LDRSB"), 1) | dict.fromkeys(_ids("LDRH LDRSH"), 2)
_SIGNED_LOADS = _ids("LDRSB LDRSH")  # what they load may be any number
_STORES = dict.fromkeys(_ids("STR"), 4) | dict.fromkeys(_ids("STRB"), 1) | dict.fromkeys(_ids("STRH"), 2)


def _disassembler() -> capstone.Cs:
    made = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8)
    made.detail = True
    return made


_MD = _disassembler()


def _register(operand: Any) -> int:
    """The number of a register operand; NO_REGISTER for an FPU's."""
    return _CORE.get(operand.reg, NO_REGISTER)


def _shift(operand: Any) -> int | None:
    """By how much a register operand is shifted to the left, None where it is shifted otherwise."""
    if operand.shift.type == arm.ARM_SFT_INVALID:
        return 0
    return operand.shift.value if operand.shift.type == arm.ARM_SFT_LSL else None


def _refuse(i: Any) -> NotAllowed:
    return NotAllowed(f"{i.mnemonic} {i.op_str} is none of the instructions that program code may have")


# --- one function a kind of instruction: capstone's instruction, its operands -> effects ---


def _moved(i: Any, ops: list[Any]) -> list[Effect]:
    d = _register(ops[0])
    if ops[1].type == arm.ARM_OP_IMM:
        return [(do.SET, d, ops[1].imm & 0xFFFFFFFF)]
    if _shift(ops[1]) == 0:
        return [(do.COPY, d, _register(ops[1]))]
    return [(do.WRITE, d)]


def _inverted(i: Any, ops: list[Any]) -> list[Effect]:
    d = _register(ops[0])
    if ops[1].type == arm.ARM_OP_IMM:
        return [(do.SET, d, ~ops[1].imm & 0xFFFFFFFF)]
    return [(do.INVERT, d, _register(ops[1])) if _shift(ops[1]) == 0 else (do.WRITE, d)]


def _moved_high(i: Any, ops: list[Any]) -> list[Effect]:
    return [(do.SET_HIGH, _register(ops[0]), ops[1].imm & 0xFFFF)]


def _sides(ops: list[Any]) -> tuple[int, int, Any]:
    """Destination, first and second operand of an instruction that may leave the destination out as first."""
    return (_register(ops[0]), _register(ops[-2]), ops[-1])


def _added(i: Any, ops: list[Any]) -> list[Effect]:
    d, a, b = _sides(ops)
    if b.type == arm.ARM_OP_IMM:
        return [(do.PC, d, 4 + b.imm, 4) if a == _PC else (do.ADD, d, a, b.imm)]
    other, shift = _register(b), _shift(b)
    if _PC in (a, other):
        return [(do.SUM_PC, d, other if a == _PC else a, 4)] if not shift else [(do.WRITE, d)]
    return [(do.WRITE, d) if shift is None else (do.SUM, d, a, other, shift)]


def _address(i: Any, ops: list[Any]) -> list[Effect]:
    return [(do.PC, _register(ops[0]), 4 + ops[1].imm, 4)]


def _subtracted(i: Any, ops: list[Any]) -> list[Effect]:
    d, a, b = _sides(ops)
    if b.type == arm.ARM_OP_IMM:
        changed = (do.PC, d, 4 - b.imm, 4) if a == _PC else (do.ADD, d, a, -b.imm)
        return [(do.COMPARE_CONSTANT, a, b.imm), changed] if i.update_flags else [changed]
    if _shift(b) != 0:
        return [(do.WRITE, d), (do.FORGET_FLAGS,)]
    compared: list[Effect] = [(do.COMPARE, a, _register(b))] if i.update_flags else []
    return [*compared, (do.DIFFERENCE, d, a, _register(b))]


def _compared(i: Any, ops: list[Any]) -> list[Effect]:
    if ops[1].type == arm.ARM_OP_IMM:
        return [(do.COMPARE_CONSTANT, _register(ops[0]), ops[1].imm & 0xFFFFFFFF)]
    if ops[1].shift.type == arm.ARM_SFT_LSR:
        return [(do.COMPARE_SHIFTED, _register(ops[0]), _register(ops[1]), ops[1].shift.value)]
    if _shift(ops[1]) != 0:
        return [(do.FORGET_FLAGS,)]
    return [(do.COMPARE, _register(ops[0]), _register(ops[1]))]


def _compared_negative(i: Any, ops: list[Any]) -> list[Effect]:
    """CMN r, n sets Z as CMP r, -n does; its carry is another, so that only EQ and NE say something."""
    return [(do.FORGET_FLAGS,)]


def _masked(i: Any, ops: list[Any]) -> list[Effect]:
    d, a, b = _sides(ops)
    if b.type == arm.ARM_OP_IMM and b.imm >= 0:
        return [(do.BOUND, d, b.imm)]
    if b.type == arm.ARM_OP_REG and not b.shift.type:
        return [(do.AND, d, a, _register(b))]
    return [(do.WRITE, d)]


def _extended(bits: int) -> Callable[[Any, list[Any]], list[Effect]]:
    return lambda i, ops: [(do.BOUND, _register(ops[0]), (1 << bits) - 1)]


def _field(i: Any, ops: list[Any]) -> list[Effect]:
    return [(do.BOUND, _register(ops[0]), (1 << ops[3].imm) - 1)]


def _shifted_left(i: Any, ops: list[Any]) -> list[Effect]:
    d, a, b = _sides(ops)
    return [(do.SHIFT, d, a, b.imm) if b.type == arm.ARM_OP_IMM else (do.WRITE, d)]


def _shifted_right(i: Any, ops: list[Any]) -> list[Effect]:
    d, a, b = _sides(ops)
    return [(do.SHIFT_RIGHT, d, a, b.imm) if b.type == arm.ARM_OP_IMM and b.imm < 32 else (do.WRITE, d)]


def _results(count: int) -> Callable[[Any, list[Any]], list[Effect]]:
    return lambda i, ops: [(do.WRITE, _register(operand)) for operand in ops[:count]]


def _nothing(i: Any, ops: list[Any]) -> list[Effect]:
    return []


def _hinted(i: Any, ops: list[Any]) -> list[Effect]:
    """NOP is a hint, as are WFI, WFE, SEV and YIELD."""
    if i.mnemonic not in ("nop", "nop.w"):
        raise _refuse(i)
    return []


def _tested(i: Any, ops: list[Any]) -> list[Effect]:
    return [(do.FORGET_FLAGS,)]


def _moved_float(i: Any, ops: list[Any]) -> list[Effect]:
    return [(do.WRITE, r) for r in (_register(o) for o in ops if o.type == arm.ARM_OP_REG) if r != NO_REGISTER]


def _float_flags(i: Any, ops: list[Any]) -> list[Effect]:
    if ops and ops[0].reg not in (arm.ARM_REG_APSR_NZCV, arm.ARM_REG_INVALID):
        raise _refuse(i)
    return [(do.FORGET_FLAGS,)]


def _flags_read(i: Any, ops: list[Any]) -> list[Effect]:
    """MRS of the application's flags, which LLVM keeps over what changes them; of no other register."""
    if ops[1].reg != _APSR[0]:
        raise _refuse(i)
    return [(do.WRITE, _register(ops[0]))]


def _flags_written(i: Any, ops: list[Any]) -> list[Effect]:
    if ops[0].reg != _APSR[1]:
        raise _refuse(i)
    return [(do.FORGET_FLAGS,)]


# --- memory ---


def _access(make: Callable[[int, int], list[Effect]], memory: Any, i: Any, after: Any) -> list[Effect]:
    """Effects of an access at base + displacement, where base may be written back before or after it."""
    base, displacement = _CORE[memory.base], memory.disp
    if not i.writeback:
        return make(base, displacement)
    if i.post_index:
        return [*make(base, 0), (do.ADD, base, base, -after.imm if after.subtracted else after.imm)]
    return [(do.ADD, base, base, displacement), *make(base, 0)]


def _loaded(i: Any, ops: list[Any]) -> list[Effect]:
    d, memory, width = _register(ops[0]), ops[1].mem, _LOADS[i.id]
    if memory.index:
        shift = _shift(ops[1])
        if memory.base == arm.ARM_REG_PC or shift is None or ops[1].subtracted:
            raise _refuse(i)
        effects: list[Effect] = [(do.LOAD_AT, d, _CORE[memory.base], _CORE[memory.index], shift, width)]
    elif memory.base == arm.ARM_REG_PC:
        effects = [(do.LITERAL, d, 4 + memory.disp, 4)] if width == 4 else [(do.WRITE, d)]
    elif i.writeback and d == _CORE[memory.base]:
        raise _refuse(i)
    else:
        effects = _access(lambda base, offset: [(do.LOAD, d, base, offset, width)], memory, i, ops[-1])
    return [*effects, (do.WRITE, d)] if i.id in _SIGNED_LOADS else effects


def _stored(i: Any, ops: list[Any]) -> list[Effect]:
    s, memory, width = _register(ops[0]), ops[1].mem, _STORES[i.id]
    if memory.index:
        shift = _shift(ops[1])
        if shift is None or ops[1].subtracted:
            raise _refuse(i)
        return [(do.STORE_AT, s, _CORE[memory.base], _CORE[memory.index], shift, width)]
    return _access(lambda base, offset: [(do.STORE, s, base, offset, width)], memory, i, ops[-1])


def _loaded_two(i: Any, ops: list[Any]) -> list[Effect]:
    first, second, memory = _register(ops[0]), _register(ops[1]), ops[2].mem
    if memory.base == arm.ARM_REG_PC:
        return [(do.LITERAL, first, 4 + memory.disp, 4), (do.LITERAL, second, 8 + memory.disp, 4)]

    def make(base: int, offset: int) -> list[Effect]:
        low, high = (do.LOAD, first, base, offset, 4), (do.LOAD, second, base, offset + 4, 4)
        return [high, low] if first == base else [low, high]

    return _access(make, memory, i, ops[-1])


def _stored_two(i: Any, ops: list[Any]) -> list[Effect]:
    first, second = _register(ops[0]), _register(ops[1])
    return _access(
        lambda base, offset: [(do.STORE, first, base, offset, 4), (do.STORE, second, base, offset + 4, 4)],
        ops[2].mem,
        i,
        ops[-1],
    )


def _pushed(i: Any, ops: list[Any]) -> list[Effect]:
    stores = [(do.STORE, _register(operand), _SP, 4 * n, 4) for n, operand in enumerate(ops)]
    return [(do.ADD, _SP, _SP, -4 * len(ops)), *stores]


def _popped(i: Any, ops: list[Any]) -> list[Effect]:
    loads = [(do.LOAD, _register(operand), _SP, 4 * n, 4) for n, operand in enumerate(ops)]
    return [*loads, (do.ADD, _SP, _SP, 4 * len(ops))]


def _loaded_many(i: Any, ops: list[Any]) -> list[Effect]:
    """LDM; the base may be among what is loaded, where it is not written back."""
    base, registers = _register(ops[0]), [_register(operand) for operand in ops[1:]]
    loads = [(do.LOAD, r, base, 4 * n, 4) for n, r in enumerate(registers)]
    loads.sort(key=lambda effect: effect[1] == base)
    back = [(do.ADD, base, base, 4 * len(registers))] if i.writeback and base not in registers else []
    return [*loads, *back]


def _stored_many(i: Any, ops: list[Any]) -> list[Effect]:
    base, registers = _register(ops[0]), [_register(operand) for operand in ops[1:]]
    stores = [(do.STORE, r, base, 4 * n, 4) for n, r in enumerate(registers)]
    return [*stores, *([(do.ADD, base, base, 4 * len(registers))] if i.writeback else [])]


def _stored_many_below(i: Any, ops: list[Any]) -> list[Effect]:
    base, registers = _register(ops[0]), [_register(operand) for operand in ops[1:]]
    down = -4 * len(registers)
    stores: list[Effect] = [(do.STORE, r, base, down + 4 * n, 4) for n, r in enumerate(registers)]
    return [(do.ADD, base, base, down), *_stored_many(i, ops)[: len(registers)]] if i.writeback else stores


def _loaded_many_below(i: Any, ops: list[Any]) -> list[Effect]:
    base, registers = _register(ops[0]), [_register(operand) for operand in ops[1:]]
    down = -4 * len(registers)
    if i.writeback:
        return [(do.ADD, base, base, down), *((do.LOAD, r, base, 4 * n, 4) for n, r in enumerate(registers))]
    loads: list[Effect] = [(do.LOAD, r, base, down + 4 * n, 4) for n, r in enumerate(registers)]
    return sorted(loads, key=lambda effect: effect[1] == base)


def _double(operand: Any) -> int:
    return 8 if arm.ARM_REG_D0 <= operand.reg <= arm.ARM_REG_D31 else 4


def _float_access(i: Any, ops: list[Any]) -> list[Effect]:
    memory, width = ops[1].mem, _double(ops[0])
    if memory.base == arm.ARM_REG_PC:
        return [(do.LITERAL, NO_REGISTER, 4 + memory.disp + word, 4) for word in range(0, width, 4)]
    return [(do.STORE, NO_REGISTER, _CORE[memory.base], memory.disp, width)] if i.id == arm.ARM_INS_VSTR else []


def _float_pushed(i: Any, ops: list[Any]) -> list[Effect]:
    size = sum(map(_double, ops))
    return [(do.ADD, _SP, _SP, -size), (do.STORE, NO_REGISTER, _SP, 0, size)]


def _float_popped(i: Any, ops: list[Any]) -> list[Effect]:
    return [(do.ADD, _SP, _SP, sum(map(_double, ops)))]


def _float_many(i: Any, ops: list[Any]) -> list[Effect]:
    base, size = _register(ops[0]), sum(map(_double, ops[1:]))
    down = i.id in (arm.ARM_INS_VSTMDB, arm.ARM_INS_VLDMDB)
    before = [(do.ADD, base, base, -size)] if down else []
    stores = [(do.STORE, NO_REGISTER, base, 0, size)] if i.id in _ids("VSTMIA VSTMDB") else []
    after = [(do.ADD, base, base, size)] if i.writeback and not down else []
    return [*before, *stores, *after]


_EFFECTS: dict[int, Callable[[Any, list[Any]], list[Effect]]] = (
    dict.fromkeys(_ONE_RESULT, _results(1))
    | dict.fromkeys(_TWO_RESULTS, _results(2))
    | dict.fromkeys(_FLOATS, _nothing)
    | dict.fromkeys(_LOADS, _loaded)
    | dict.fromkeys(_STORES, _stored)
    | dict.fromkeys(_ids("VLDR VSTR"), _float_access)
    | dict.fromkeys(_ids("VLDMIA VSTMIA VLDMDB VSTMDB"), _float_many)
    | {
        arm.ARM_INS_HINT: _hinted,
        arm.ARM_INS_MOV: _moved,
        arm.ARM_INS_MOVS: _moved,
        arm.ARM_INS_MVN: _inverted,
        arm.ARM_INS_MOVT: _moved_high,
        arm.ARM_INS_ADD: _added,
        arm.ARM_INS_ADDW: _added,
        arm.ARM_INS_ADR: _address,
        arm.ARM_INS_SUB: _subtracted,
        arm.ARM_INS_SUBW: _subtracted,
        arm.ARM_INS_CMP: _compared,
        arm.ARM_INS_CMN: _compared_negative,
        arm.ARM_INS_TST: _tested,
        arm.ARM_INS_TEQ: _tested,
        arm.ARM_INS_AND: _masked,
        arm.ARM_INS_UXTB: _extended(8),
        arm.ARM_INS_UXTH: _extended(16),
        arm.ARM_INS_UBFX: _field,
        arm.ARM_INS_LSL: _shifted_left,
        arm.ARM_INS_LSR: _shifted_right,
        arm.ARM_INS_MRS: _flags_read,
        arm.ARM_INS_MSR: _flags_written,
        arm.ARM_INS_VMOV: _moved_float,
        arm.ARM_INS_VMRS: _float_flags,
        arm.ARM_INS_FMSTAT: _float_flags,
        arm.ARM_INS_LDRD: _loaded_two,
        arm.ARM_INS_STRD: _stored_two,
        arm.ARM_INS_PUSH: _pushed,
        arm.ARM_INS_POP: _popped,
        arm.ARM_INS_LDM: _loaded_many,
        arm.ARM_INS_STM: _stored_many,
        arm.ARM_INS_STMDB: _stored_many_below,
        arm.ARM_INS_LDMDB: _loaded_many_below,
        arm.ARM_INS_VPUSH: _float_pushed,
        arm.ARM_INS_VPOP: _float_popped,
    }
)
_SETS_COMPARISON = (do.COMPARE, do.COMPARE_CONSTANT, do.COMPARE_SHIFTED, do.FORGET_FLAGS)


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _branch(i: Any, ops: list[Any]) -> Instruction | None:
    """Branches and calls; None for every other instruction. Decoded at address 0, targets are distances."""
    if i.id == arm.ARM_INS_B:
        target = _signed(ops[0].imm)
        if i.cc == arm.ARM_CC_AL:
            return Instruction(i.size, (), do.JUMP, target)
        return Instruction(i.size, (), do.BRANCH, target, condition=_CONDITIONS[i.cc])
    if i.id == arm.ARM_INS_BL:
        return Instruction(i.size, (), do.CALL, _signed(ops[0].imm))
    if i.id in (arm.ARM_INS_CBZ, arm.ARM_INS_CBNZ):
        compare, condition = (do.COMPARE_CONSTANT, _register(ops[0]), 0), i.id == arm.ARM_INS_CBNZ
        return Instruction(i.size, (compare,), do.BRANCH, _signed(ops[1].imm), condition=do.NE if condition else do.EQ)
    if i.id == arm.ARM_INS_BX:
        return Instruction(i.size, (), do.JUMP_REGISTER, 0, _register(ops[0]))
    if i.id == arm.ARM_INS_BLX and ops[0].type == arm.ARM_OP_REG:
        return Instruction(i.size, (), do.CALL_REGISTER, 0, _register(ops[0]))
    if i.id in (arm.ARM_INS_TBB, arm.ARM_INS_TBH):
        if ops[0].mem.base != arm.ARM_REG_PC:
            raise _refuse(i)
        return Instruction(i.size, (), do.TABLE, 1 if i.id == arm.ARM_INS_TBB else 2, _CORE[ops[0].mem.index])
    return None


@cache
def _decode(encoding: bytes) -> Instruction:
    found = list(_MD.disasm(encoding, 0))
    if not found or found[0].size != len(encoding):
        raise NotAllowed(f"{encoding.hex()} is no instruction")
    i = found[0]
    ops = i.operands
    branch = _branch(i, ops)
    if branch:
        return branch
    if i.id not in _EFFECTS:
        raise _refuse(i)
    effects = _EFFECTS[i.id](i, ops)
    if i.update_flags and not any(effect[0] in _SETS_COMPARISON for effect in effects):
        effects.append((do.FORGET_FLAGS,))
    if any(effect[0] not in (do.STORE, do.STORE_AT) and effect[1:2] == (_PC,) for effect in effects):
        return Instruction(i.size, tuple(effects), do.JUMP_REGISTER, 0, _PC)
    return Instruction(i.size, tuple(effects))


_FIRST_CONDITION = tuple(_CONDITIONS[code + 1] for code in range(14))


@cache
def _it(encoding: int) -> Instruction:
    """IT: the condition of the first, then a bit for each further one, and a 1 that ends them (ARM ARM A7.7.37)."""
    first, mask = encoding >> 4 & 15, encoding & 15
    if first > 13:
        raise NotAllowed("IT with a condition that is none")
    count = 4 - ((mask & -mask).bit_length() - 1)
    rest = [mask >> (4 - n) & 1 == first & 1 for n in range(1, count)]
    return Instruction(2, condition=_FIRST_CONDITION[first], predicates=(True, *rest))


def decode(code: bytes, offset: int) -> Instruction:
    """The instruction at offset; raises NotAllowed."""
    first = code[offset] | code[offset + 1] << 8
    if first & 0xFF00 == 0xBF00 and first & 15:
        return _it(first & 0xFF)
    return _decode(code[offset : offset + (4 if first >> 11 >= 0b11101 else 2)])


ARCHITECTURE = Architecture(
    decode=decode,
    registers=16,
    sp=_SP,
    link=_LR,
    zero=NO_REGISTER,
    arguments=(0, 1, 2, 3),
    results=4,
    saved=(4, 5, 6, 7, 8, 9, 10, 11),
    instance=10,
    lost=(0, 1, 2, 3, _R12, _LR),
    even_pairs=True,
    far_jumps=False,
    code_bit=1,
)
# In a function that is too long for a branch, LLVM jumps with BL, whose return address nobody uses.
ARMV6M = replace(ARCHITECTURE, far_jumps=True)
