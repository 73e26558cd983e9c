# ARMv6-M, ARMv7-M, ARMv7E-M and ARMv8-M.
import sys

import micropython
from machine import mem32
from micropython import const

from ..xip.layout import (
    ARCH_ARMV6M,
    ARCH_THUMB,
    ARCH_THUMB_HARD_FLOAT,
    CELL_LOCK,
    ENV_CELL,
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


# Packaging makes viper functions of these two (insitu/mpy/viper.py), which are called with (self, n_args, n_kw, args)
# and return objects: py/objfun.c. A tuple's length is at 4 in it, its items from 8 on; of a list's items the address is
# at 12. Objects: a small int is 2 * value + 1, so 1 is 0.
# args: plan; the arguments: four, and a tuple of more
@micropython.asm_thumb
def start(r0, r1, r2, r3) -> object:
    ldr(r0, [r3, 0])
    add(r0, 8)  # plan
    ldr(r4, [r0, 12])
    ldr(r4, [r4, 12])  # state
    ldr(r2, [r4, 0])
    cmp(r2, 1)
    beq(REFUSED)
    ldr(r5, [r4, 4])
    sub(r5, 1)  # exec env
    cmp(r1, 1)
    beq(GO)
    ldr(r6, [r5, ENV_CELL])
    ldr(r7, [r6, CELL_LOCK])
    cmp(r7, 0)
    bne(REFUSED)
    mov(r7, 1)
    str(r7, [r6, CELL_LOCK])
    ldr(r6, [r4, 12])
    sub(r6, 1)  # args area
    ldr(r7, [r0, 24])
    asr(r7, r7, 1)  # parameters that are left
    bmi(ODD)
    mov(r1, r3)
    add(r1, 20)  # the last of args
    add(r3, 4)
    label(NEXT)
    cmp(r3, r1)
    bne(ONE)
    ldr(r3, [r3, 0])
    ldr(r2, [r3, 4])
    cmp(r2, r7)
    bne(ODD)
    add(r3, 8)
    mov(r1, 0)
    label(ONE)
    cmp(r7, 0)
    beq(ALL)
    ldr(r2, [r3, 0])
    asr(r2, r2, 1)
    bcc(ODD)  # the bit shifted out
    str(r2, [r6, 0])
    add(r6, 8)
    add(r3, 4)
    sub(r7, 1)
    b(NEXT)
    label(ALL)
    cmp(r1, 0)
    beq(GO)
    ldr(r2, [r3, 0])
    ldr(r1, [r0, 0])
    cmp(r2, r1)
    bne(ODD)
    label(GO)
    ldr(r3, [r5, ENV_SP])
    add(r3, 1)
    str(r3, [r4, 16])
    mov(r6, r0)
    mov(r0, r5)
    ldr(r1, [r6, 16])
    ldr(r2, [r4, 8])
    sub(r2, 1)
    ldr(r3, [r6, 20])
    ldr(r7, [r4, 0])
    data(2, 0x47B8)  # blx r7
    lsl(r1, r0, 1)
    add(r1, 1)
    str(r1, [r4, 20])
    cmp(r0, 0)
    bne(LEFT)
    ldr(r1, [r6, 28])
    cmp(r1, 1)
    beq(NOTHING)
    cmp(r1, 3)
    bne(LEFT)
    ldr(r1, [r4, 12])
    sub(r1, 1)
    ldr(r0, [r1, 0])
    add(r0, r0, r0)
    bvs(LEFT)
    add(r0, 1)
    b(UNLOCK)
    label(NOTHING)
    ldr(r0, [r6, 8])
    b(UNLOCK)
    label(ODD)
    ldr(r0, [r0, 0])
    label(UNLOCK)
    ldr(r1, [r5, ENV_CELL])
    mov(r2, 0)
    str(r2, [r1, CELL_LOCK])
    b(END)
    label(LEFT)
    ldr(r0, [r6, 4])
    b(END)
    label(REFUSED)
    ldr(r0, [r0, 0])
    label(END)


# args: state; the result
@micropython.asm_thumb
def resume(r0, r1, r2, r3) -> object:
    ldr(r5, [r3, 0])
    ldr(r5, [r5, 12])  # state
    ldr(r4, [r5, 4])
    sub(r4, 1)  # exec env
    ldr(r6, [r4, ENV_CELL])
    mov(r7, 1)
    cmp(r1, 1)
    beq(GO)
    ldr(r0, [r3, 4])
    asr(r0, r0, 1)
    bcc(ODD)
    str(r7, [r6, CELL_LOCK])
    ldr(r2, [r5, 12])
    sub(r2, 1)
    str(r0, [r2, 0])
    label(GO)
    str(r7, [r6, CELL_LOCK])
    mov(r0, r4)
    mov(r1, 0)
    ldr(r7, [r5, 0])
    data(2, 0x47B8)  # blx r7
    ldr(r1, [r4, ENV_LEFT])
    str(r1, [r4, ENV_SP])
    b(END)
    label(ODD)
    mov(r0, 0)
    sub(r0, 1)
    label(END)
    lsl(r0, r0, 1)
    add(r0, 1)
