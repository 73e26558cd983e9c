# rv32imc.
import micropython

from ..xip.layout import ARCH_RV32


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


# a0: address, a1: exec env
@micropython.asm_rv32
def call(a0, a1):
    addi(sp, sp, -16)
    sw(ra, 0(sp))
    mv(t0, a0)
    mv(a0, a1)
    jalr(ra, t0, 0)
    lw(ra, 0(sp))
    addi(sp, sp, 16)
