# The simulated CPU under CPython (host_tools/insitu/sim).
import struct

from insitu import sim

from ..xip.layout import (
    ARCH_RV32,
    ARCH_THUMB,
    ARCH_THUMB_HARD_FLOAT,
    ENV_SIZE,
    ENV_SP,
    ENV_START,
    FEATURE_FPU,
)

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


def _is_small(value):
    return type(value) is int and -(1 << 30) <= value < 1 << 30


def _word(address):
    return view(address, 4).cast("i")


def _enter(enter, env):
    request = sim.current().call(enter, env)
    return request - (request >> 31 << 32)


def start(state, plan, args):
    enter, env, instance, area, _ = struct.unpack("<5I", state)
    thunk, function, count = struct.unpack("<IIi", plan)
    if not enter:
        return -1
    if args is not None:
        if len(args) != count or not all(map(_is_small, args)):
            return -1
        for i, value in enumerate(args):
            _word(area + 8 * i)[0] = value
    block = view(env, ENV_SIZE)
    state[16:20] = block[ENV_SP : ENV_SP + 4]
    struct.pack_into("<III", block, ENV_START, thunk, instance, function)
    return _enter(enter, env)


def resume(state, result):
    enter, env, _, area, _ = struct.unpack("<5I", state)
    if result is not None:
        if not _is_small(result[0]):
            return -1
        _word(area)[0] = result[0]
    return _enter(enter, env)


def view(address, size):
    return sim.current().memory.view(address, size)


def address_of(buffer):
    return sim.addressof(buffer)


def fill(address, size, byte):
    view(address, size)[:] = bytes([byte]) * size


def count(address, size, byte):
    data = bytes(view(address, size))
    return size - len(data.lstrip(bytes([byte])))
