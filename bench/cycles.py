"""Cycles that a Cortex-M3 or M4 would take, estimated: Arm's timings for each instruction that was executed.

From the Arm Cortex-M4 Processor Technical Reference Manual (100166): 3.3.1, table of processor instructions; 3.3.2,
load and store timings; 7.2.3, FPU instructions; and the same tables of the Cortex-M3's (DDI 0337). Not in it:
contention for a bus, the write buffer, folded IT instructions, that one which IT skips takes 1, and a float's next use.
So it is good for a ratio of two programs, to some per cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import capstone
from capstone import arm
from insitu.sim import Cpu
from insitu.sim.cpu import RETURN
from insitu.sim.memory import PAGE
from unicorn import unicorn_const

REFILL = 2  # P: 1 to 3 cycles for the pipeline after a jump, by the target's width and alignment
_DIVISION = 7  # 2 to 12, by the operands
_FPU = MappingProxyType(
    {"vdiv": 14, "vsqrt": 14} | dict.fromkeys(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"), 3)
)
_M4 = MappingProxyType({"sdiv": _DIVISION, "udiv": _DIVISION, **_FPU})
# Long products take 3 to 5, with an addition 4 to 7, by the operands.
_M3 = MappingProxyType(
    {"sdiv": _DIVISION, "udiv": _DIVISION, "mla": 2, "mls": 2, "smull": 4, "umull": 4, "smlal": 5, "umlal": 5}
)
WAIT_STATES = (0, 5)  # none, and those of an STM32F405 at 168 MHz (RM0090, 3.5.1)
CORES: Mapping[str, Mapping[str, int]] = {"cortex-m3": _M3, "cortex-m4f": _M4}

_LOADS = {"ldr", "ldrb", "ldrh", "ldrsb", "ldrsh"}
_STORES = {"str", "strb", "strh"}
_PAIRS = {"ldrd", "strd"}
_LISTS = {"ldm", "ldmdb", "stm", "stmdb"}
_STACKED = {"push", "pop", "vpush", "vpop"}
_FLOAT_LISTS = {"vldmia", "vldmdb", "vstmia", "vstmdb"}
_TABLES = {"tbb", "tbh"}
_DOUBLE = range(arm.ARM_REG_D0, arm.ARM_REG_D31 + 1)


@dataclass(slots=True)
class Executed:
    """What was executed: instructions; jumps: how often a block was left for another, both as address and size."""

    instructions: int = 0
    jumps: Counter[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=Counter)
    code: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def cycles(self, target: str, wait_states: int) -> int:
        """An estimate for one of CORES; wait_states: of flash, which a jump waits for, and prefetching hides."""
        core, total = frozenset(CORES[target].items()), 0
        for (block, following), times in self.jumps.items():
            taken = following[0] != block[0] + block[1]
            total += times * (block_cycles(self.code[block], core) + taken * (REFILL + wait_states))
        return total


@contextmanager
def counted(cpu: Cpu) -> Iterator[Executed]:
    """Count what calls inside execute; jumps only on a CPU of CORES. It is complete behind the context."""
    found, last = Executed(), (0, 0)

    def on_block(uc: Any, address: int, size: int, data: Any) -> None:
        nonlocal last
        found.jumps[last, (address, size)] += 1
        last = address, size

    hook = cpu.uc.hook_add(unicorn_const.UC_HOOK_BLOCK, on_block) if cpu.cpu in CORES else None
    with cpu.counting() as counter:
        yield found
    found.instructions = counter.instructions
    if hook is not None:
        cpu.uc.hook_del(hook)
    found.jumps[last, (RETURN, 0)] += 1
    outside = range(RETURN, RETURN + PAGE)
    for jump in list(found.jumps):
        if jump[0] == (0, 0) or jump[0][0] in outside:
            del found.jumps[jump]
    found.code = {block: bytes(cpu.view(*block)) for block, _ in found.jumps}


@cache
def _disassembler() -> capstone.Cs:
    made = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    made.detail = True
    return made


@cache
def block_cycles(code: bytes, core: frozenset[tuple[str, int]]) -> int:
    """Of instructions one after another, the last one's jump not taken."""
    special, before, total = dict(core), None, 0
    for instruction in _disassembler().disasm(code, 0):
        total += _cycles(instruction, before, special)
        before = instruction
    return total


def _cycles(i: Any, before: Any, special: Mapping[str, int]) -> int:
    name = i.insn_name()
    if name in special:
        return special[name]
    if name in _LOADS or name in _STORES:
        return _access(i, before, name)
    if name in _PAIRS:
        return 3  # 1 + N
    if name in _LISTS:
        return len(i.operands)  # 1 + N: the first one is the address
    if name in _STACKED:
        return 1 + _words(i.operands)
    if name in _FLOAT_LISTS:
        return 1 + _words(i.operands[1:])
    if name in ("vldr", "vstr"):
        return 1 + _words(i.operands[:1])
    if name in _TABLES:
        return 2
    if (
        name == "vmov"
        and sum(arm.ARM_REG_R0 <= o.reg <= arm.ARM_REG_R12 for o in i.operands if o.type == arm.ARM_OP_REG) == 2
    ):
        return 2
    return 1


def _words(registers: Any) -> int:
    return sum(2 if o.reg in _DOUBLE else 1 for o in registers)


def _access(i: Any, before: Any, name: str) -> int:
    """One load or store, 3.3.2: 2 cycles, 1 for a store at an immediate offset; one less right behind a load whose
    result is no part of its address; one more where a data-processing instruction just made a part of its address."""
    address = {register for o in i.operands if o.type == arm.ARM_OP_MEM for register in (o.mem.base, o.mem.index)} - {0}
    indexed = any(o.type == arm.ARM_OP_MEM and o.mem.index for o in i.operands)
    cost = 1 if name in _STORES and not indexed else 2
    if before is None:
        return cost
    kind, written = before.insn_name(), set(before.regs_access()[1])
    if kind in _LOADS:
        return 1 if not written & address else cost
    stalled = kind not in _STORES and not kind.startswith(("ld", "st", "v", "p")) and written & address
    return cost + bool(stalled)
