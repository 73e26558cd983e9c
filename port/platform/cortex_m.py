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
    ENV_INSTANCE,
    ENV_LEFT,
    ENV_SP,
    ENV_START_INSTANCE,
    FEATURE_ARMV8M,
    FEATURE_DOUBLE,
    FEATURE_FPU,
    REQUEST_IMPORT,
)
from .kinds import KIND_OTHER, KIND_RESULT


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
# and return objects: py/objfun.c. A tuple's items are from 8 on; of a list's items the address is at 12; of an instance
# of a native class, what that made is at 16, and in a staticmethod its function at 4. What is called has its type at 0,
# and there the number of its slot for calls is the byte at 10, slots, from 1 on, are behind 16 (py/obj.h). Objects: a
# small int is 2 * value + 1, so 1 is 0.
@micropython.asm_thumb
def start(r0, r1, r2, r3) -> object:
    ldr(r4, [r3, 0])
    ldr(r4, [r4, 16])
    ldr(r6, [r4, 4])  # plan
    ldr(r4, [r6, 24])
    ldr(r4, [r4, 12])  # state
    ldr(r0, [r4, 0])
    cmp(r0, 1)
    beq(CHECKED)
    cmp(r2, 0)
    bne(CHECKED)
    ldr(r5, [r4, 4])
    sub(r5, 1)  # exec env
    ldr(r7, [r5, ENV_CELL])
    ldr(r0, [r7, CELL_LOCK])
    cmp(r0, 0)
    bne(READY)
    lsl(r0, r1, 1)
    sub(r0, 1)  # the object of n_args - 1
    ldr(r2, [r6, 36])
    cmp(r0, r2)
    bne(READY)
    mov(r0, 1)
    str(r0, [r7, CELL_LOCK])
    ldr(r2, [r4, 12])
    sub(r2, 1)  # args area
    mov(r7, r3)
    mov(r5, r1)
    label(NEXT)
    sub(r5, 1)
    beq(STORED)
    add(r7, 4)
    ldr(r0, [r7, 0])
    asr(r0, r0, 1)
    bcc(ODD)  # the bit shifted out
    str(r0, [r2, 0])
    add(r2, 8)
    b(NEXT)
    label(STORED)
    ldr(r5, [r4, 4])
    sub(r5, 1)
    label(GO)
    ldr(r3, [r5, ENV_SP])
    add(r3, 1)
    str(r3, [r4, 16])
    mov(r0, r5)
    ldr(r1, [r6, 28])
    ldr(r2, [r4, 8])
    sub(r2, 1)
    ldr(r3, [r6, 32])
    ldr(r7, [r4, 0])
    data(2, 0x47B8)  # blx r7
    lsl(r1, r0, 1)
    add(r1, 1)
    str(r1, [r4, 20])
    cmp(r0, 0)
    bne(LEFT)
    ldr(r1, [r6, 40])
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
    ldr(r0, [r6, 20])
    label(UNLOCK)
    ldr(r1, [r5, ENV_CELL])
    mov(r2, 0)
    str(r2, [r1, CELL_LOCK])
    b(END)
    label(LEFT)
    ldr(r0, [r6, 12])
    mov(r1, 1)
    mov(r2, 0)
    mov(r3, r6)
    add(r3, 8)
    b(CALL)
    label(ODD)
    ldr(r5, [r4, 4])
    sub(r5, 1)
    ldr(r7, [r5, ENV_CELL])
    mov(r2, 0)
    str(r2, [r7, CELL_LOCK])
    b(CHECKED)
    label(READY)
    mov(r2, 0)
    cmp(r1, 2)
    bne(CHECKED)
    ldr(r0, [r3, 4])
    cmp(r0, r6)
    beq(GO)
    label(CHECKED)
    ldr(r0, [r6, 16])
    label(CALL)
    ldr(r4, [r0, 0])
    ldrb(r5, [r4, 10])
    lsl(r5, r5, 2)
    add(r4, r4, r5)
    ldr(r4, [r4, 16])
    data(2, 0x47A0)  # blx r4
    label(END)


# On the stack: four arguments, and the request.
@micropython.asm_thumb
def serve(r0, r1, r2, r3) -> object:
    ldr(r5, [r3, 0])
    ldr(r5, [r5, 12])  # state
    ldr(r4, [r5, 4])
    sub(r4, 1)  # exec env
    ldr(r0, [r3, 4])
    push({r4, r5, r6, r7})
    push({r4, r5, r6, r7})
    asr(r0, r0, 1)
    bmi(RESUME)
    label(LEFT)
    mov(r2, sp)
    str(r0, [r2, 16])
    mov(r1, 255)
    and_(r1, r0)
    cmp(r1, REQUEST_IMPORT)
    bne(END)
    ldr(r1, [r4, ENV_INSTANCE])
    ldr(r3, [r4, ENV_START_INSTANCE])
    cmp(r1, r3)
    bne(END)
    lsr(r6, r0, 8)
    lsl(r6, r6, 3)
    ldr(r1, [r5, 24])
    add(r6, r6, r1)  # its kind is at 8, the function at 12
    ldr(r1, [r6, 8])
    asr(r1, r1, 1)
    cmp(r1, KIND_OTHER)
    bge(END)
    mov(r7, 7)
    and_(r7, r1)  # arguments
    mov(r1, r7)
    ldr(r3, [r5, 12])
    sub(r3, 1)  # args area
    label(NEXT)
    cmp(r7, 0)
    beq(CALL)
    ldr(r0, [r3, 0])
    add(r0, r0, r0)
    bvs(END)
    add(r0, 1)
    str(r0, [r2, 0])
    add(r2, 4)
    add(r3, 8)
    sub(r7, 1)
    b(NEXT)
    label(CALL)
    ldr(r0, [r4, ENV_LEFT])
    str(r0, [r4, ENV_SP])
    ldr(r0, [r4, ENV_CELL])
    str(r7, [r0, CELL_LOCK])
    ldr(r0, [r6, 12])
    ldr(r7, [r0, 0])
    ldrb(r2, [r7, 10])
    lsl(r2, r2, 2)
    add(r7, r7, r2)
    ldr(r7, [r7, 16])
    mov(r2, 0)
    mov(r3, sp)
    data(2, 0x47B8)  # blx r7
    ldr(r1, [r6, 8])
    asr(r1, r1, 1)
    mov(r2, KIND_RESULT)
    and_(r2, r1)
    beq(NONE)
    asr(r1, r0, 1)
    bcc(ODD)
    ldr(r2, [r4, ENV_CELL])
    mov(r3, 1)
    str(r3, [r2, CELL_LOCK])
    ldr(r2, [r5, 12])
    sub(r2, 1)
    str(r1, [r2, 0])
    label(RESUME)
    ldr(r2, [r4, ENV_CELL])
    mov(r3, 1)
    str(r3, [r2, CELL_LOCK])
    mov(r0, r4)
    mov(r1, 0)
    ldr(r7, [r5, 0])
    data(2, 0x47B8)  # blx r7
    b(LEFT)
    label(NONE)
    lsl(r1, r0, 30)
    bne(RESUME)  # else it is an object at an address, which may be one to wait for
    label(ODD)
    str(r0, [r5, 28])
    mov(r2, sp)
    ldr(r0, [r2, 16])
    lsl(r0, r0, 1)
    add(r0, 1)
    str(r0, [r5, 20])
    mov(r0, 0)
    sub(r0, 1)
    b(OUT)
    label(END)
    mov(r2, sp)
    ldr(r0, [r2, 16])
    label(OUT)
    lsl(r0, r0, 1)
    add(r0, 1)
    pop({r4, r5, r6, r7})
    pop({r4, r5, r6, r7})
