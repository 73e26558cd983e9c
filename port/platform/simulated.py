# The simulated CPU under CPython (host_tools/insitu/sim).
from insitu import sim

from ..xip.layout import (
    ARCH_ARMV6M,
    ARCH_RV32,
    ARCH_THUMB,
    ARCH_THUMB_HARD_FLOAT,
    CELL_LOCK,
    ENV_CELL,
    ENV_INSTANCE,
    ENV_LEFT,
    ENV_SIZE,
    ENV_SP,
    ENV_START_INSTANCE,
    FEATURE_ARMV8M,
    FEATURE_DOUBLE,
    FEATURE_FPU,
    FEATURE_UNALIGNED,
    REQUEST_IMPORT,
)
from .kinds import KIND_OTHER, KIND_RESULT

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
def start(function, *args, **more):
    _, finish, checked, nothing, state, thunk, code, count, result = plan = function.plan
    if not state[0] or more:
        return checked(function, *args, **more)
    stub, env, instance, area = map(_whole, state[:4])
    block = _words(env, ENV_SIZE)
    lock = _words(block[ENV_CELL >> 2] + CELL_LOCK)
    if lock[0] or len(args) != count:
        if len(args) != 1 or args[0] is not plan:
            return checked(function, *args)
    else:
        lock[0] = 1
        if not all(map(_is_small, args)):
            lock[0] = 0
            return checked(function, *args)
        for i in range(count):
            _words(area + 8 * i)[0] = args[i]
    state[4] = (block[ENV_SP >> 2] & 0xFFFFFFFF) >> 1
    request = sim.current().call(stub, env, _whole(thunk) + 1, instance, _whole(code) + 1)
    state[5] = _signed(request, 31)  # the object is the word shifted left, and 1
    if request or result > 1:
        return finish(function)
    value = _words(area)[0] if result else nothing
    if result and not _is_small(value):
        return finish(function)
    lock[0] = 0
    return value


def serve(state, request):
    stub, env, _, area = map(_whole, state[:4])
    block = _words(env, ENV_SIZE)
    lock = _words(block[ENV_CELL >> 2] + CELL_LOCK)
    while True:
        if request >= 0:
            if request & 255 != REQUEST_IMPORT or block[ENV_INSTANCE >> 2] != block[ENV_START_INSTANCE >> 2]:
                return request
            kind, function = state[6][2 * (request >> 8) :][:2]
            args = [_words(area + 8 * i)[0] for i in range(kind & 7)]
            if kind >= KIND_OTHER or not all(map(_is_small, args)):
                return request
            block[ENV_SP >> 2] = block[ENV_LEFT >> 2]
            lock[0] = 0
            value = function(*args)
            if not _is_small(value) and (kind & KIND_RESULT or value not in (None, False, True)):
                state[5], state[7] = request, value
                return -1
            if kind & KIND_RESULT:
                lock[0] = 1
                _words(area)[0] = value
        lock[0] = 1
        request = _signed(sim.current().call(stub, env, 0), 31)


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
