# ARMv7-M and ARMv7E-M.
import micropython
from machine import mem32

from ..xip.layout import (
    ARCH_THUMB,
    ARCH_THUMB_HARD_FLOAT,
    ENV_SP,
    ENV_START,
    ENV_START_FUNCTION,
    ENV_START_INSTANCE,
    FEATURE_FPU,
)


def name():
    return "Cortex-M"


def code_bit():
    return 1  # Thumb


# ARMv7-M Architecture Reference Manual, B3.2.20 and B4.9.2
_CPACR = 0xE000ED88
_CPACR_FPU = 0xF << 20
_MVFR0 = 0xE000EF40  # 0 where there is no FPU


def features():
    return FEATURE_FPU if mem32[_MVFR0] else 0


def archs():
    return (ARCH_THUMB, ARCH_THUMB_HARD_FLOAT) if features() else (ARCH_THUMB,)


# A firmware built for a core without FPU leaves it off.
def enable(wanted):
    if wanted & FEATURE_FPU:
        mem32[_CPACR] |= _CPACR_FPU


# Flash is executed at the address it is read at.
def executable(address):
    return address


# r0: state, r1: plan, r2: the arguments' objects (before them, in a tuple: how many) or 0 for None.
# A small int is 2 * value + 1 (MICROPY_OBJ_REPR_A and _C).
@micropython.asm_thumb
def start(r0, r1, r2):
    ldr(r3, [r0, 0])
    cmp(r3, 0)
    beq(ODD)
    ldr(r4, [r0, 4])
    cmp(r2, 0)
    beq(GO)
    ldr(r5, [r1, 8])
    sub(r2, 4)
    ldr(r6, [r2, 0])
    cmp(r5, r6)
    bne(ODD)
    ldr(r6, [r0, 12])
    label(NEXT)
    cmp(r5, 0)
    beq(GO)
    add(r2, 4)
    ldr(r7, [r2, 0])
    asr(r7, r7, 1)
    bcc(ODD)
    str(r7, [r6, 0])
    add(r6, 8)
    sub(r5, 1)
    b(NEXT)
    label(GO)
    ldr(r5, [r4, ENV_SP])
    str(r5, [r0, 16])
    ldr(r5, [r1, 0])
    str(r5, [r4, ENV_START])
    ldr(r5, [r0, 8])
    str(r5, [r4, ENV_START_INSTANCE])
    ldr(r5, [r1, 4])
    str(r5, [r4, ENV_START_FUNCTION])
    mov(r0, r4)
    data(2, 0x4798)  # blx r3
    b(END)
    label(ODD)
    mov(r0, 0)
    sub(r0, 1)
    label(END)


# r0: state, r1: the result's object or 0 for None.
@micropython.asm_thumb
def resume(r0, r1):
    ldr(r3, [r0, 0])
    cmp(r1, 0)
    beq(GO)
    ldr(r4, [r1, 0])
    asr(r4, r4, 1)
    bcc(ODD)
    ldr(r5, [r0, 12])
    str(r4, [r5, 0])
    label(GO)
    ldr(r0, [r0, 4])
    data(2, 0x4798)  # blx r3
    b(END)
    label(ODD)
    mov(r0, 0)
    sub(r0, 1)
    label(END)
