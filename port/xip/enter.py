# Entering compiled code, and what happens when it leaves.
#
# state (of an exec env) and plan (of a function) are words that the platform's start and resume read in place:
#   state: the stub, exec env, instance pointer, args area, stack pointer before the start; the stub is 0 when
#          the exec env is gone
#   plan: thunk, function, number of parameters if all are i32, otherwise -1
# start(state, plan, args): args (a tuple) into the args area, and go; args None: they are there already.
# resume(state, result): result[0] into the args area, and go on; None: it is there already.
# Both give the request that code left with, or -1, having done nothing, where a value is not a small int.
import struct

import micropython
from micropython import const

from .. import platform
from ..errors import Error
from ..values import load_all, store_all
from .layout import (
    ENV_INSTANCE,
    ENV_SP,
    FUNCTION_CODE,
    IMAGE_ARGS,
    INSTANCE_ID,
    REQUEST_IMPORT,
)
from .raw import add, poke

_STATE_SP = const(16)
_MAX_WORDS = const(4)
KIND_RESULT = const(8)  # of an import: parameters, all i32, + this if it has an i32 result
KIND_OTHER = const(255)


def make_state(env, instance):
    runtime, module = env.runtime, instance.module
    return struct.pack(
        "<IIIII",
        module.enter,
        env.address,
        add(runtime.base, instance.pointer),
        add(runtime.base, instance.pointer - module.word(IMAGE_ARGS)),
        0,
    )


def make_plan(module, index, letters):
    count = letters.find(":")
    return struct.pack(
        "<IIi",
        module.code + module.thunk(index),
        module.code + module.function_word(index, FUNCTION_CODE),
        count if letters.count("i", 0, count) == count else -1,
    )


# What serve_words can do with an import of this type.
def import_kind(letters):
    count = letters.find(":")
    results = letters[count + 1 :]
    if count <= _MAX_WORDS and letters.count("i", 0, count) == count and results in ("", "i"):
        return count + (KIND_RESULT if results else 0)
    return KIND_OTHER


@micropython.viper
def result_word(state) -> int:
    p = ptr32(state)
    return ptr32(p[3])[0]


# Calls imports that take and give i32s, until code leaves for something else. kinds: one a function.
@micropython.viper
def _serve_words(state, imports, kinds, request: int, resume, odd) -> int:
    p = ptr32(state)
    env = ptr32(p[1])
    slots = ptr32(p[3])
    kind = ptr8(kinds)
    result = [None]
    while request & 255 == REQUEST_IMPORT and env[ENV_INSTANCE >> 2] == p[2]:
        k = kind[request >> 8]
        if k == KIND_OTHER:
            return request
        f = imports[request >> 8]
        n = k & 7
        if n == 2:
            r = f(slots[0], slots[2])
        elif n == 1:
            r = f(slots[0])
        elif n == 0:
            r = f()
        elif n == 3:
            r = f(slots[0], slots[2], slots[4])
        else:
            r = f(slots[0], slots[2], slots[4], slots[6])
        if k & KIND_RESULT:
            result[0] = r
            index = request >> 8
            request = int(resume(state, result))
            if request == -1:
                odd(index, r)
                request = int(resume(state, None))
        else:
            request = int(resume(state, None))
    return request


# Number of the instance whose code left.
@micropython.viper
def _left(heap: uint, env: int) -> int:
    at = uint(ptr32(heap + uint(env) + uint(ENV_INSTANCE))[0])
    return ptr32(at - uint(INSTANCE_ID))[0]


# Everything that start alone does not do. At the end the results are in the args area.
def go_on(env, function, request, args):
    if request == -1:
        request = _start(env, function, args)
    if not request:
        return
    instance, state, runtime = env.instance, env.state, env.runtime
    sp = struct.unpack_from("<I", state, _STATE_SP)[0]
    env.busy += 1
    try:
        while request:
            if request & 255 == REQUEST_IMPORT:
                request = _serve_words(
                    state, instance.imports, instance.kinds, request, platform.resume, instance.odd_result
                )
                if not request:
                    break
            _serve(env, request)
            request = platform.resume(state, None)
    finally:
        env.busy -= 1
        poke(runtime.base, env.offset + ENV_SP, sp)


# The arguments one by one, with all checks.
def _start(env, function, args):
    instance, letters = function.instance, function.type
    if not instance.block or not env.offset:
        raise Error("the instance or the exec env was destroyed")
    count = letters.find(":")
    if len(args) != count:
        raise TypeError('"%s" takes %d arguments (%s), %d given' % (function.name, count, letters, len(args)))
    store_all(instance.runtime, letters[:count], instance.slots, args, "argument")
    return platform.start(env.state, function.plan, None)


def results(function):
    instance, letters = function.instance, function.type
    values = load_all(instance.runtime, letters[letters.find(":") + 1 :], instance.slots)
    return tuple(values) if len(values) > 1 else values[0] if values else None


def _serve(env, request):
    runtime = env.runtime
    instance = runtime.instances[_left(runtime.base, env.offset)]
    if request & 255 == REQUEST_IMPORT:
        _import(instance, request >> 8)
    else:
        from .. import requests

        requests.serve(env, instance, request & 255, request >> 8)


def _import(instance, index):
    function = instance.imports[index]
    if instance.kinds[index] == KIND_OTHER:
        function, letters = function
    else:
        letters = instance.module.function_type(index)
    count = letters.find(":")
    result = function(*load_all(instance.runtime, letters[:count], instance.slots))
    store_result(instance, index, letters[count + 1 :], result)


def store_result(instance, index, letters, result):
    if len(letters) == 1:
        result = (result,)
    elif not letters:
        return
    elif not isinstance(result, (tuple, list)) or len(result) != len(letters):
        raise TypeError(
            "import %s must return %d values as a tuple" % (instance.module.import_name(index), len(letters))
        )
    try:
        store_all(instance.runtime, letters, instance.slots, result, "result")
    except (TypeError, OverflowError) as error:
        raise type(error)("import %s: %s" % (instance.module.import_name(index), error))
