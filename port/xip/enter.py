# Entering compiled code, and what happens when it leaves.
import micropython

from ..errors import Error
from ..platform import call
from ..values import load_all, store_all
from .layout import (
    ENV_INSTANCE,
    ENV_SP,
    ENV_START,
    ENV_START_FUNCTION,
    ENV_START_INSTANCE,
    FUNCTION_CODE,
    INSTANCE_ID,
    REQUEST_IMPORT,
)
from .raw import peek_offset, poke_address


# What the stub is to start: offsets from the heap's base and from the code's (its Thumb bit is in it).
@micropython.viper
def _start(heap: uint, env: int, code: uint, thunk: int, function: int, instance: int):
    p = ptr32(heap + uint(env))
    p[ENV_START >> 2] = int(code + uint(thunk))
    p[ENV_START_INSTANCE >> 2] = int(heap + uint(instance))
    p[ENV_START_FUNCTION >> 2] = int(code + uint(function))


# Number of the instance whose code left.
@micropython.viper
def _left(heap: uint, env: int) -> int:
    at = uint(ptr32(heap + uint(env) + uint(ENV_INSTANCE))[0])
    return ptr32(at - uint(INSTANCE_ID))[0]


def invoke(env, instance, index, args):
    runtime, module = instance.runtime, instance.module
    if instance.block == 0 or env.offset == 0:
        raise Error("the instance or the exec env was destroyed")
    letters = module.function_type(index)
    count = letters.find(":")
    if len(args) != count:
        raise TypeError(
            '"%s" takes %d arguments (%s), %d given' % (module.function_name(index), count, letters, len(args))
        )
    slots = instance.args()
    store_all(runtime, letters[:count], slots, args, "argument")
    base, offset = runtime.base, env.offset
    sp = peek_offset(base, offset + ENV_SP)
    enter = module.enter
    _start(base, offset, module.code, module.thunk(index), module.function_word(index, FUNCTION_CODE), instance.pointer)
    env.busy += 1
    try:
        request = call(enter, env.address)
        while request:
            _serve(env, request)
            request = call(enter, env.address)
    finally:
        env.busy -= 1
        poke_address(base, offset + ENV_SP, base, sp)
    results = load_all(runtime, letters[count + 1 :], slots)
    if len(results) > 1:
        return tuple(results)
    return results[0] if results else None


def _serve(env, request):
    runtime = env.runtime
    instance = runtime.instances[_left(runtime.base, env.offset)]
    if request & 255 == REQUEST_IMPORT:
        _import(instance, request >> 8)
    else:
        from .. import requests

        requests.serve(env, instance, request & 255, request >> 8)


def _import(instance, index):
    runtime = instance.runtime
    letters = instance.module.function_type(index)
    count = letters.find(":")
    slots = instance.args()
    result = instance.imports[index](*load_all(runtime, letters[:count], slots))
    letters = letters[count + 1 :]
    if len(letters) == 1:
        result = (result,)
    elif not letters:
        result = ()
    elif not isinstance(result, (tuple, list)) or len(result) != len(letters):
        raise TypeError(
            "import %s must return %d values as a tuple" % (instance.module.import_name(index), len(letters))
        )
    store_all(runtime, letters, slots, result, "result of import %s," % instance.module.import_name(index))
