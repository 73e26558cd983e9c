# The simulated CPU under CPython (host_tools/insitu/sim).
from insitu import sim

from ..xip.layout import ARCH_RV32, ARCH_THUMB, ARCH_THUMB_HARD_FLOAT, FEATURE_FPU

_TARGETS = {
    "cortex-m3": ((ARCH_THUMB,), 0),
    "cortex-m4f": ((ARCH_THUMB, ARCH_THUMB_HARD_FLOAT), FEATURE_FPU),
    "rv32imc": ((ARCH_RV32,), 0),
}


def name():
    return "simulated " + sim.current().cpu


def archs():
    return _TARGETS[sim.current().cpu][0]


def code_bit():
    return 0 if ARCH_RV32 in archs() else 1


def features():
    return _TARGETS[sim.current().cpu][1]


def enable(wanted):
    pass


def executable(address):
    return address


def call(address, env):
    return sim.current().call(address, env)


def view(address, size):
    return sim.current().memory.view(address, size)


def address_of(buffer):
    return sim.addressof(buffer)


def fill(address, size, byte):
    view(address, size)[:] = bytes([byte]) * size


def count(address, size, byte):
    data = bytes(view(address, size))
    return size - len(data.lstrip(bytes([byte])))
