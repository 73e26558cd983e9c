# ARMv7-M and ARMv7E-M.
import micropython
from machine import mem32

from ..xip.layout import ARCH_THUMB, ARCH_THUMB_HARD_FLOAT, FEATURE_FPU


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


# r0: address with Thumb bit, r1: exec env
@micropython.asm_thumb
def call(r0, r1):
    mov(r3, r0)
    mov(r0, r1)
    data(2, 0x4798)  # blx r3
