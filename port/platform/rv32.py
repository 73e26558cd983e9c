# rv32imc.
import sys

import micropython

from ..xip.layout import ARCH_RV32, CELL_LOCK, ENV_CELL, ENV_LEFT, ENV_SP, FEATURE_BITS, FEATURE_UNALIGNED


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
# 2 * value + 1, so 1 is 0. jalr ignores bit 0.
# args: plan; the arguments: four, and a tuple of more
@micropython.asm_rv32
def start(a0, a1, a2, a3) -> object:
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    lw(a0, 0(a3))
    addi(a0, a0, 8)  # plan
    sw(a0, 4(sp))
    lw(a4, 12(a0))
    lw(a4, 12(a4))  # state
    lw(t0, 0(a4))
    addi(t1, zero, 1)
    beq(t0, t1, REFUSED)
    lw(a5, 4(a4))
    addi(a5, a5, -1)  # exec env
    beq(a1, t1, GO)
    lw(a1, ENV_CELL(a5))
    lw(a2, CELL_LOCK(a1))
    bne(a2, zero, REFUSED)
    sw(t1, CELL_LOCK(a1))
    lw(a1, 12(a4))
    addi(a1, a1, -1)  # args area
    lw(t1, 24(a0))
    srai(t1, t1, 1)  # parameters that are left
    blt(t1, zero, ODD)
    addi(t2, a3, 20)  # the last of args
    addi(a3, a3, 4)
    label(NEXT)
    bne(a3, t2, ONE)
    lw(a3, 0(a3))
    lw(a2, 4(a3))
    bne(a2, t1, ODD)
    addi(a3, a3, 8)
    addi(t2, zero, 0)
    label(ONE)
    beq(t1, zero, ALL)
    lw(a2, 0(a3))
    andi(a6, a2, 1)
    beq(a6, zero, ODD)
    srai(a2, a2, 1)
    sw(a2, 0(a1))
    addi(a1, a1, 8)
    addi(a3, a3, 4)
    addi(t1, t1, -1)
    jal(zero, NEXT)
    label(ALL)
    beq(t2, zero, GO)
    lw(a2, 0(a3))
    lw(a1, 0(a0))
    bne(a1, a2, ODD)
    label(GO)
    sw(a4, 8(sp))
    lw(a2, ENV_SP(a5))
    addi(a2, a2, 1)
    sw(a2, 16(a4))
    lw(a1, 16(a0))
    lw(a3, 20(a0))
    lw(a2, 8(a4))
    addi(a2, a2, -1)
    mv(a0, a5)
    jalr(ra, t0, 0)
    lw(a3, 4(sp))
    lw(a4, 8(sp))
    slli(a1, a0, 1)
    addi(a1, a1, 1)
    sw(a1, 20(a4))
    bne(a0, zero, LEFT)
    lw(a1, 28(a3))
    addi(t1, zero, 1)
    beq(a1, t1, NOTHING)
    addi(t1, zero, 3)
    bne(a1, t1, LEFT)
    lw(a1, 12(a4))
    lw(a1, -1(a1))
    slli(a0, a1, 1)
    srai(a2, a0, 1)
    bne(a1, a2, LEFT)
    addi(a0, a0, 1)
    jal(zero, UNLOCK)
    label(NOTHING)
    lw(a0, 8(a3))
    jal(zero, UNLOCK)
    label(ODD)
    lw(a0, 0(a0))
    label(UNLOCK)
    lw(a1, 4(a4))
    addi(a1, a1, -1)
    lw(a1, ENV_CELL(a1))
    sw(zero, CELL_LOCK(a1))
    jal(zero, END)
    label(LEFT)
    lw(a0, 4(a3))
    jal(zero, END)
    label(REFUSED)
    lw(a0, 0(a0))
    label(END)
    lw(ra, 0(sp))
    addi(sp, sp, 16)


# args: state; the result
@micropython.asm_rv32
def resume(a0, a1, a2, a3) -> object:
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    lw(a4, 0(a3))
    lw(a4, 12(a4))  # state
    lw(a0, 4(a4))
    addi(a0, a0, -1)  # exec env
    lw(a2, ENV_CELL(a0))
    addi(t1, zero, 1)
    beq(a1, t1, GO)
    lw(a3, 4(a3))
    andi(a1, a3, 1)
    beq(a1, zero, ODD)
    srai(a3, a3, 1)
    sw(t1, CELL_LOCK(a2))
    lw(a1, 12(a4))
    sw(a3, -1(a1))
    label(GO)
    sw(t1, CELL_LOCK(a2))
    sw(a0, 4(sp))
    addi(a1, zero, 0)
    lw(t0, 0(a4))
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
