# rv32imc.
import sys

import micropython

from ..xip.layout import (
    ARCH_RV32,
    CELL_LOCK,
    ENV_CELL,
    ENV_INSTANCE,
    ENV_LEFT,
    ENV_SP,
    ENV_START_INSTANCE,
    FEATURE_BITS,
    FEATURE_UNALIGNED,
    REQUEST_IMPORT,
)
from .kinds import KIND_OTHER, KIND_RESULT


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
# A tuple's items are from 8 on; of a list's items the address is at 12; of an instance of a native class, what that
# made is at 16, and in a staticmethod its function at 4. What is called has its type at 0, and there the number of its
# slot for calls is the byte at 10, slots, from 1 on, are behind 16 (py/obj.h). Objects: a small int is 2 * value + 1,
# so 1 is 0. jalr ignores bit 0.
# On the stack: ra, plan, state.
@micropython.asm_rv32
def start(a0, a1, a2, a3) -> object:
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    lw(a6, 0(a3))
    lw(a6, 16(a6))
    lw(a6, 4(a6))  # plan
    sw(a6, 4(sp))
    lw(a4, 24(a6))
    lw(a4, 12(a4))  # state
    lw(t0, 0(a4))
    addi(t1, zero, 1)
    beq(t0, t1, CHECKED)
    bne(a2, zero, CHECKED)
    lw(a5, 4(a4))
    addi(a5, a5, -1)  # exec env
    lw(a0, ENV_CELL(a5))
    lw(t2, CELL_LOCK(a0))
    bne(t2, zero, READY)
    slli(t2, a1, 1)
    addi(t2, t2, -1)  # the object of n_args - 1
    lw(a7, 36(a6))
    bne(t2, a7, READY)
    sw(t1, CELL_LOCK(a0))
    lw(t2, 12(a4))
    addi(t2, t2, -1)  # args area
    mv(a7, a3)
    mv(t1, a1)
    label(NEXT)
    addi(t1, t1, -1)
    beq(t1, zero, GO)
    addi(a7, a7, 4)
    lw(a0, 0(a7))
    andi(t3, a0, 1)
    beq(t3, zero, ODD)
    srai(a0, a0, 1)
    sw(a0, 0(t2))
    addi(t2, t2, 8)
    jal(zero, NEXT)
    label(GO)
    sw(a4, 8(sp))
    lw(a2, ENV_SP(a5))
    addi(a2, a2, 1)
    sw(a2, 16(a4))
    lw(a1, 28(a6))
    lw(a3, 32(a6))
    lw(a2, 8(a4))
    addi(a2, a2, -1)
    mv(a0, a5)
    jalr(ra, t0, 0)
    lw(a6, 4(sp))
    lw(a4, 8(sp))
    slli(a1, a0, 1)
    addi(a1, a1, 1)
    sw(a1, 20(a4))
    bne(a0, zero, LEFT)
    lw(a1, 40(a6))
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
    lw(a0, 20(a6))
    label(UNLOCK)
    lw(a1, 4(a4))
    addi(a1, a1, -1)
    lw(a1, ENV_CELL(a1))
    sw(zero, CELL_LOCK(a1))
    jal(zero, END)
    label(LEFT)
    lw(a0, 12(a6))
    addi(a1, zero, 1)
    addi(a2, zero, 0)
    addi(a3, a6, 8)
    jal(zero, CALL)
    label(ODD)
    lw(a0, ENV_CELL(a5))
    sw(zero, CELL_LOCK(a0))
    jal(zero, CHECKED)
    label(READY)
    addi(t1, zero, 2)
    bne(a1, t1, CHECKED)
    lw(a0, 4(a3))
    beq(a0, a6, GO)
    label(CHECKED)
    lw(a0, 16(a6))
    label(CALL)
    lw(t0, 0(a0))
    lbu(t1, 10(t0))
    slli(t1, t1, 2)
    add(t0, t0, t1)
    lw(t0, 16(t0))
    jalr(ra, t0, 0)
    label(END)
    lw(ra, 0(sp))
    addi(sp, sp, 16)


# On the stack: four arguments, ra, state, exec env, the request, and where its import is.
@micropython.asm_rv32
def serve(a0, a1, a2, a3) -> object:
    addi(sp, sp, -48)
    sw(ra, 16(sp))
    lw(a4, 0(a3))
    lw(a4, 12(a4))  # state
    sw(a4, 20(sp))
    lw(a5, 4(a4))
    addi(a5, a5, -1)  # exec env
    sw(a5, 24(sp))
    lw(a0, 4(a3))
    srai(a0, a0, 1)
    blt(a0, zero, RESUME)
    label(LEFT)
    sw(a0, 28(sp))
    andi(a1, a0, 255)
    addi(t1, zero, REQUEST_IMPORT)
    bne(a1, t1, END)
    lw(a1, ENV_INSTANCE(a5))
    lw(a2, ENV_START_INSTANCE(a5))
    bne(a1, a2, END)
    srli(a6, a0, 8)
    slli(a6, a6, 3)
    lw(a1, 24(a4))
    add(a6, a6, a1)  # its kind is at 8, the function at 12
    sw(a6, 32(sp))
    lw(a1, 8(a6))
    srai(a1, a1, 1)
    addi(t1, zero, KIND_OTHER)
    bge(a1, t1, END)
    andi(a1, a1, 7)  # arguments
    mv(t1, a1)
    lw(a7, 12(a4))
    addi(a7, a7, -1)  # args area
    mv(a3, sp)
    label(NEXT)
    beq(t1, zero, CALL)
    lw(t2, 0(a7))
    slli(a2, t2, 1)
    srai(t3, a2, 1)
    bne(t2, t3, END)
    addi(a2, a2, 1)
    sw(a2, 0(a3))
    addi(a3, a3, 4)
    addi(a7, a7, 8)
    addi(t1, t1, -1)
    jal(zero, NEXT)
    label(CALL)
    lw(t1, ENV_LEFT(a5))
    sw(t1, ENV_SP(a5))
    lw(t1, ENV_CELL(a5))
    sw(zero, CELL_LOCK(t1))
    lw(a0, 12(a6))
    addi(a2, zero, 0)
    mv(a3, sp)
    lw(t0, 0(a0))
    lbu(t1, 10(t0))
    slli(t1, t1, 2)
    add(t0, t0, t1)
    lw(t0, 16(t0))
    jalr(ra, t0, 0)
    lw(a4, 20(sp))
    lw(a5, 24(sp))
    lw(a1, 32(sp))
    lw(a1, 8(a1))
    srai(a1, a1, 1)
    andi(a1, a1, KIND_RESULT)
    beq(a1, zero, NONE)
    andi(a1, a0, 1)
    beq(a1, zero, ODD)
    srai(a0, a0, 1)
    lw(t1, ENV_CELL(a5))
    addi(t2, zero, 1)
    sw(t2, CELL_LOCK(t1))
    lw(a1, 12(a4))
    sw(a0, -1(a1))
    label(RESUME)
    lw(t1, ENV_CELL(a5))
    addi(t2, zero, 1)
    sw(t2, CELL_LOCK(t1))
    mv(a0, a5)
    addi(a1, zero, 0)
    lw(t0, 0(a4))
    jalr(ra, t0, 0)
    lw(a4, 20(sp))
    lw(a5, 24(sp))
    jal(zero, LEFT)
    label(NONE)
    andi(a1, a0, 3)
    bne(a1, zero, RESUME)  # else it is an object at an address, which may be one to wait for
    label(ODD)
    sw(a0, 28(a4))
    lw(a0, 28(sp))
    slli(a0, a0, 1)
    addi(a0, a0, 1)
    sw(a0, 20(a4))
    addi(a0, zero, -1)
    jal(zero, OUT)
    label(END)
    lw(a0, 28(sp))
    label(OUT)
    slli(a0, a0, 1)
    addi(a0, a0, 1)
    lw(ra, 16(sp))
    addi(sp, sp, 48)
