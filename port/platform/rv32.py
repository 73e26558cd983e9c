# rv32imc.
import micropython

from ..xip.layout import ARCH_RV32, ENV_SP, ENV_START, ENV_START_FUNCTION, ENV_START_INSTANCE


def name():
    return "rv32imc"


def archs():
    return (ARCH_RV32,)


def code_bit():
    return 0


def features():
    return 0


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


# a0: state, a1: plan, a2: the arguments' objects (before them, in a tuple: how many) or 0 for None.
# A small int is 2 * value + 1 (MICROPY_OBJ_REPR_A and _C).
@micropython.asm_rv32
def start(a0, a1, a2):
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    lw(t0, 0(a0))
    beq(t0, zero, ODD)
    lw(t1, 4(a0))
    beq(a2, zero, GO)
    lw(a3, 8(a1))
    lw(a4, -4(a2))
    bne(a3, a4, ODD)
    lw(a4, 12(a0))
    label(NEXT)
    beq(a3, zero, GO)
    lw(a5, 0(a2))
    andi(t2, a5, 1)
    beq(t2, zero, ODD)
    srai(a5, a5, 1)
    sw(a5, 0(a4))
    addi(a2, a2, 4)
    addi(a4, a4, 8)
    addi(a3, a3, -1)
    jal(zero, NEXT)
    label(GO)
    lw(a5, ENV_SP(t1))
    sw(a5, 16(a0))
    lw(a5, 0(a1))
    sw(a5, ENV_START(t1))
    lw(a5, 8(a0))
    sw(a5, ENV_START_INSTANCE(t1))
    lw(a5, 4(a1))
    sw(a5, ENV_START_FUNCTION(t1))
    mv(a0, t1)
    jalr(ra, t0, 0)
    jal(zero, END)
    label(ODD)
    addi(a0, zero, -1)
    label(END)
    lw(ra, 0(sp))
    addi(sp, sp, 16)


# a0: state, a1: the result's object or 0 for None.
@micropython.asm_rv32
def resume(a0, a1):
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    lw(t0, 0(a0))
    beq(a1, zero, GO)
    lw(a5, 0(a1))
    andi(t2, a5, 1)
    beq(t2, zero, ODD)
    srai(a5, a5, 1)
    lw(a4, 12(a0))
    sw(a5, 0(a4))
    label(GO)
    lw(a0, 4(a0))
    jalr(ra, t0, 0)
    jal(zero, END)
    label(ODD)
    addi(a0, zero, -1)
    label(END)
    lw(ra, 0(sp))
    addi(sp, sp, 16)
