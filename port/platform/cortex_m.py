# ARMv6-M, ARMv7-M, ARMv7E-M and ARMv8-M.
import sys

import micropython
from machine import mem32
from micropython import const

from ..xip.layout import (
    ARCH_ARMV6M,
    ARCH_THUMB,
    ARCH_THUMB_HARD_FLOAT,
    ENV_LEFT,
    ENV_SP,
    FEATURE_ARMV8M,
    FEATURE_DOUBLE,
    FEATURE_FPU,
)


def name():
    return "Cortex-M"


def code_bit():
    return 1  # Thumb


# ARMv7-M Architecture Reference Manual, B3.2.20 and B4.9.2
_CPACR = const(0xE000ED88)
_CPACR_FPU = const(0xF << 20)
_MVFR0 = const(0xE000EF40)  # 0 where there is no FPU; bits 8 to 11: of double precision
_CPUID = const(0xE000ED00)
_CORTEX_M33 = const(0xD21)  # PARTNO, bits 4 to 15: Cortex-M33 Technical Reference Manual, B3.9
_ARMV6M = const(4)  # of platform/__init__.py's numbers; has no such registers


def _is_armv6m():
    return sys.implementation._mpy >> 10 & 15 == _ARMV6M


def features():
    if _is_armv6m() or not mem32[_MVFR0]:
        return 0
    found = FEATURE_FPU
    if mem32[_MVFR0] & 0xF00:
        found |= FEATURE_DOUBLE
    if mem32[_CPUID] >> 4 & 0xFFF == _CORTEX_M33:
        found |= FEATURE_ARMV8M
    return found


def archs():
    if _is_armv6m():
        return (ARCH_ARMV6M,)
    return (ARCH_ARMV6M, ARCH_THUMB, ARCH_THUMB_HARD_FLOAT) if features() else (ARCH_ARMV6M, ARCH_THUMB)


# A firmware built for a core without FPU leaves it off.
def enable(wanted):
    if wanted & FEATURE_FPU:
        mem32[_CPACR] |= _CPACR_FPU


# Flash is executed at the address it is read at.
def executable(address):
    return address


# A list's items are at 12 in it; a tuple's or list's that is passed comes as its items, a tuple's length before
# them; None comes as 0. Objects: a small int is 2 * value + 1, so 1 is 0.
# r0: plan, r1: args
@micropython.asm_thumb
def start(r0, r1) -> object:
    ldr(r2, [r0, 8])
    ldr(r2, [r2, 12])  # state
    ldr(r3, [r2, 0])
    cmp(r3, 1)
    beq(ODD)
    ldr(r4, [r2, 4])
    sub(r4, 1)  # exec env
    cmp(r1, 0)
    beq(GO)
    ldr(r5, [r0, 20])
    asr(r5, r5, 1)
    sub(r1, 4)
    ldr(r6, [r1, 0])
    cmp(r5, r6)
    bne(ODD)
    ldr(r6, [r2, 12])
    sub(r6, 1)  # args area
    label(NEXT)
    cmp(r5, 0)
    beq(GO)
    add(r1, 4)
    ldr(r7, [r1, 0])
    asr(r7, r7, 1)
    bcc(ODD)  # the bit shifted out
    str(r7, [r6, 0])
    add(r6, 8)
    sub(r5, 1)
    b(NEXT)
    label(GO)
    ldr(r5, [r4, ENV_SP])
    add(r5, 1)
    str(r5, [r2, 16])
    mov(r5, r2)
    mov(r6, r0)
    mov(r0, r4)
    mov(r7, r3)
    ldr(r1, [r6, 12])
    ldr(r2, [r2, 8])
    sub(r2, 1)
    ldr(r3, [r6, 16])
    data(2, 0x47B8)  # blx r7
    lsl(r1, r0, 1)
    add(r1, 1)
    str(r1, [r5, 20])
    cmp(r0, 0)
    bne(MORE)
    ldr(r1, [r6, 24])
    cmp(r1, 1)
    beq(NOTHING)
    cmp(r1, 3)
    bne(MORE)
    ldr(r1, [r5, 12])
    sub(r1, 1)
    ldr(r0, [r1, 0])
    add(r0, r0, r0)
    bvs(MORE)
    add(r0, 1)
    b(END)
    label(NOTHING)
    ldr(r0, [r6, 4])
    b(END)
    label(ODD)
    mov(r6, r0)
    mov(r1, 0)
    sub(r1, 1)
    str(r1, [r2, 20])
    label(MORE)
    ldr(r0, [r6, 0])
    label(END)


# r0: state, r1: result
@micropython.asm_thumb
def resume(r0, r1):
    ldr(r3, [r0, 0])
    cmp(r1, 0)
    beq(GO)
    ldr(r4, [r1, 0])
    asr(r4, r4, 1)
    bcc(ODD)
    ldr(r5, [r0, 12])
    sub(r5, 1)
    str(r4, [r5, 0])
    label(GO)
    ldr(r0, [r0, 4])
    sub(r0, 1)
    mov(r4, r0)
    mov(r1, 0)
    data(2, 0x4798)  # blx r3
    ldr(r1, [r4, ENV_LEFT])
    str(r1, [r4, ENV_SP])
    b(END)
    label(ODD)
    mov(r0, 0)
    sub(r0, 1)
    label(END)
