# The simulated CPU under CPython (host_tools/insitu/sim).
from insitu import sim

from ..xip.layout import (
    ARCH_ARMV6M,
    ARCH_RV32,
    ARCH_THUMB,
    ARCH_THUMB_HARD_FLOAT,
    CELL_LOCK,
    ENV_CELL,
    ENV_LEFT,
    ENV_SIZE,
    ENV_SP,
    FEATURE_ARMV8M,
    FEATURE_DOUBLE,
    FEATURE_FPU,
    FEATURE_UNALIGNED,
)

_TARGETS = {
    "cortex-m0plus": ((ARCH_ARMV6M,), 0),
    "cortex-m3": ((ARCH_ARMV6M, ARCH_THUMB), 0),
    "cortex-m4f": ((ARCH_ARMV6M, ARCH_THUMB, ARCH_THUMB_HARD_FLOAT), FEATURE_FPU),
    "cortex-m7": ((ARCH_ARMV6M, ARCH_THUMB, ARCH_THUMB_HARD_FLOAT), FEATURE_FPU | FEATURE_DOUBLE),
    "cortex-m33": ((ARCH_ARMV6M, ARCH_THUMB, ARCH_THUMB_HARD_FLOAT), FEATURE_FPU | FEATURE_ARMV8M),
    "rv32imc": ((ARCH_RV32,), FEATURE_UNALIGNED),
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


# A word of which the device keeps so many bits, the highest one for the sign.
def _signed(word, bits):
    sign = 1 << bits - 1
    return (word & (sign << 1) - 1 ^ sign) - sign


def _words(address, size=4):
    return view(address & 0xFFFFFFFF, size).cast("i")


def _whole(half):
    return half << 1 & 0xFFFFFFFF


# What cortex_m.py and rv32.py have in assembler.
def start(plan, *args):
    absent, left, nothing, state, thunk, function, count, result = plan
    if not state[0]:
        return absent
    stub, env, instance, area = map(_whole, state[:4])
    block = _words(env, ENV_SIZE)
    lock = _words(block[ENV_CELL >> 2] + CELL_LOCK)
    if args:
        if lock[0]:
            return absent
        lock[0] = 1
        given = args[:4] + args[4]
        if len(given) < count or count < 0 or not all(map(_is_small, given[:count])) or _more(args, count, absent):
            lock[0] = 0
            return absent
        for i in range(count):
            _words(area + 8 * i)[0] = given[i]
    state[4] = (block[ENV_SP >> 2] & 0xFFFFFFFF) >> 1
    request = sim.current().call(stub, env, _whole(thunk) + 1, instance, _whole(function) + 1)
    state[5] = _signed(request, 31)  # the object is the word shifted left, and 1
    if request or result > 1:
        return left
    value = _words(area)[0] if result else nothing
    if result and not _is_small(value):
        return left
    lock[0] = 0
    return value


# Whether there are arguments beyond count.
def _more(args, count, absent):
    return args[count] is not absent if count < 4 else len(args[4]) != count - 4


def resume(state, *result):
    stub, env, _, area = map(_whole, state[:4])
    block = _words(env, ENV_SIZE)
    lock = _words(block[ENV_CELL >> 2] + CELL_LOCK)
    if result:
        if not _is_small(result[0]):
            return -1
        lock[0] = 1
        _words(area)[0] = result[0]
    lock[0] = 1
    request = sim.current().call(stub, env, 0)
    block[ENV_SP >> 2] = block[ENV_LEFT >> 2]
    return _signed(request, 32)


def view(address, size):
    return sim.current().memory.view(address, size)


def heaps():
    return sim.current().heaps


def address_of(buffer):
    return sim.addressof(buffer)


def fill(address, size, byte):
    view(address, size)[:] = bytes([byte]) * size


def count(address, size, byte):
    data = bytes(view(address, size))
    return size - len(data.lstrip(bytes([byte])))


# Loading it again would take CPython longer than all that it does.
def forget_module(module):
    pass


drop_module = forget_module
