# rv32imc.
import sys

import micropython

from ..xip.layout import ARCH_RV32, ENV_LEFT, ENV_SP, FEATURE_BITS, FEATURE_UNALIGNED


def name():
    return "rv32imc"


def archs():
    return (ARCH_RV32,)


def code_bit():
    return 0


# The rp2 port's RISC-V core is the RP2350's Hazard3.
def features():
    return FEATURE_BITS if sys.platform == "rp2" else FEATURE_UNALIGNED


def enable(wanted):
    pass


# Espressif's chips: flash is mapped for data at 0x3C000000 and for instructions at 0x42000000.
_ESP_DATA = 0x3C000000
_ESP_DATA_END = 0x3C800000
_ESP_INSTRUCTIONS = 0x42000000


def _is_esp():
    try:
        import esp32  # noqa: F401
    except ImportError:
        return False
    return True


def executable(address):
    if _ESP_DATA <= address < _ESP_DATA_END and _is_esp():
        return address - _ESP_DATA + _ESP_INSTRUCTIONS
    return address


# Not all firmware has the inline assembler (ESP32's has not). Packaging makes viper functions of these two
# (insitu/mpy/viper.py), which are called with (self, n_args, n_kw, args) and return objects: py/objfun.c.
# A tuple's length is at 4 in it, its items from 8 on; of a list's items the address is at 12. Objects: a small int is
# 2 * value + 1, so 1 is 0; an address is a multiple of 4, which None is not. jalr ignores bit 0.
# args: plan; the arguments, a tuple, or None
@micropython.asm_rv32
def start(a0, a1, a2, a3) -> object:
    lw(a0, 0(a3))
    addi(a0, a0, 8)
    lw(a1, 4(a3))
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    sw(a0, 4(sp))
    lw(a2, 8(a0))
    lw(a2, 12(a2))  # state
    lw(t0, 0(a2))
    addi(t1, zero, 1)
    beq(t0, t1, ODD)
    lw(t1, 4(a2))
    addi(t1, t1, -1)  # exec env
    andi(t2, a1, 3)
    bne(t2, zero, GO)
    lw(a3, 20(a0))
    srai(a3, a3, 1)
    lw(a4, 4(a1))
    bne(a3, a4, ODD)
    lw(a4, 12(a2))
    addi(a4, a4, -1)  # args area
    label(NEXT)
    beq(a3, zero, GO)
    lw(a5, 8(a1))
    andi(t2, a5, 1)
    beq(t2, zero, ODD)
    srai(a5, a5, 1)
    sw(a5, 0(a4))
    addi(a1, a1, 4)
    addi(a4, a4, 8)
    addi(a3, a3, -1)
    jal(zero, NEXT)
    label(GO)
    sw(a2, 8(sp))
    lw(a5, ENV_SP(t1))
    addi(a5, a5, 1)
    sw(a5, 16(a2))
    lw(a1, 12(a0))
    lw(a3, 16(a0))
    lw(a2, 8(a2))
    addi(a2, a2, -1)
    mv(a0, t1)
    jalr(ra, t0, 0)
    lw(a1, 4(sp))
    lw(a2, 8(sp))
    slli(a3, a0, 1)
    addi(a3, a3, 1)
    sw(a3, 20(a2))
    bne(a0, zero, MORE)
    lw(a3, 24(a1))
    addi(t1, zero, 1)
    beq(a3, t1, NOTHING)
    addi(t1, zero, 3)
    bne(a3, t1, MORE)
    lw(a3, 12(a2))
    lw(a4, -1(a3))
    slli(a0, a4, 1)
    srai(a5, a0, 1)
    bne(a4, a5, MORE)
    addi(a0, a0, 1)
    jal(zero, END)
    label(NOTHING)
    lw(a0, 4(a1))
    jal(zero, END)
    label(ODD)
    addi(a3, zero, -1)
    sw(a3, 20(a2))
    lw(a1, 4(sp))
    label(MORE)
    lw(a0, 0(a1))
    label(END)
    lw(ra, 0(sp))
    addi(sp, sp, 16)


# args: state; the result, a list, or None
@micropython.asm_rv32
def resume(a0, a1, a2, a3) -> object:
    lw(a0, 0(a3))
    lw(a0, 12(a0))
    lw(a1, 4(a3))
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    lw(t0, 0(a0))
    andi(t2, a1, 3)
    bne(t2, zero, GO)
    lw(a1, 12(a1))
    lw(a5, 0(a1))
    andi(t2, a5, 1)
    beq(t2, zero, ODD)
    srai(a5, a5, 1)
    lw(a4, 12(a0))
    sw(a5, -1(a4))
    label(GO)
    lw(a0, 4(a0))
    addi(a0, a0, -1)
    sw(a0, 4(sp))
    addi(a1, zero, 0)
    jalr(ra, t0, 0)
    lw(a1, 4(sp))
    lw(a2, ENV_LEFT(a1))
    sw(a2, ENV_SP(a1))
    jal(zero, END)
    label(ODD)
    addi(a0, zero, -1)
    label(END)
    slli(a0, a0, 1)
    addi(a0, a0, 1)
    lw(ra, 0(sp))
    addi(sp, sp, 16)
