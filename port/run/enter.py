# Entering compiled code, and what happens when it leaves.
#
# The platform's start and resume read these in place. An address is in them as half of it (see half), so that
# the object's bits are the address + 1:
#   state, a list, of an exec env: the stub (0: the exec env is gone), exec env, instance pointer, args area;
#       written by start: the stack pointer before it, and the request that code left with (-1: not entered)
#   plan, a tuple, of a function: False, None, state, thunk, function, number of parameters if all are i32
#       (otherwise -1), result (RESULT_*; RESULT_SWEPT: go_on must see to externrefs)
# start(plan, args): args (a tuple) into the args area, and go; args None: they are there already. Gives the
#   result, or False: state[5] says why; if that is 0, the results are in the args area.
# resume(state, result): result[0] into the args area, and go on; None: it is there already. Gives the request
#   that code left with, or -1, having done nothing, where the result is not a small int.
# Where code left for a request, ENV_LEFT, is ENV_SP as soon as the request is served: what is called meanwhile starts
# below, and there it goes on. After start that waits until somebody is there who sets it back; after resume there is.
import micropython
from micropython import const

from .. import platform
from ..errors import Error
from ..xip.layout import (
    ENV_INSTANCE,
    ENV_LEFT,
    ENV_SP,
    ENV_START_INSTANCE,
    FLAG_EXTERNREF,
    FUNCTION_CODE,
    IMAGE_ARGS,
    INSTANCE_ID,
    REQUEST_BUSY,
    REQUEST_IMPORT,
)
from ..xip.raw import add, poke
from .kinds import KIND_OTHER, KIND_RESULT
from .values import load_all, store_all

_STATE_SP = const(4)
_STATE_REQUEST = const(5)
_RESULT_NONE = const(0)
_RESULT_WORD = const(1)
_RESULT_OTHER = const(2)
_RESULT_SWEPT = const(3)
_MAX_WORDS = const(4)


# The small int whose object is the word address | 1 (MICROPY_OBJ_REPR_A and _C: 2 * value + 1).
def half(address):
    address >>= 1
    return address - 0x80000000 if address >= 0x40000000 else address


def make_state(env, instance):
    base, module = env.runtime.base, instance.module
    area = add(base, instance.pointer - module.word(IMAGE_ARGS))
    return [half(module.enter), half(env.address), half(add(base, instance.pointer)), half(area), 0, 0]


def make_plan(instance, index, letters, state):
    module = instance.module
    count = letters.find(":")
    results = letters[count + 1 :]
    return (
        False,
        None,
        state,
        half(module.code + module.thunk(index)),
        half(module.code + module.function_word(index, FUNCTION_CODE)),
        count if letters.count("i", 0, count) == count else -1,
        _result_kind(instance, results),
    )


def _result_kind(instance, results):
    if _has_externrefs(instance):
        return _RESULT_SWEPT
    return _RESULT_WORD if results == "i" else _RESULT_OTHER if results else _RESULT_NONE


def _has_externrefs(instance):
    if instance.module.flags() & FLAG_EXTERNREF:
        return True
    return any([_has_externrefs(provider) for provider in instance.providers])


# What serve_words can do with an import of this type.
def import_kind(letters):
    count = letters.find(":")
    results = letters[count + 1 :]
    if count <= _MAX_WORDS and letters.count("i", 0, count) == count and results in ("", "i"):
        return count + (KIND_RESULT if results else 0)
    return KIND_OTHER


# Calls imports that take and give i32s, until code leaves for something else. env: its address; slots: the
# args area; kinds: one an import; odd: what to do with a result that is not a small int.
@micropython.viper
def _serve_words(state, env_address: uint, slots_view, imports, kinds, request: int, resume, odd) -> int:
    env = ptr32(env_address)
    slots = ptr32(slots_view)
    kind = ptr8(kinds)
    result = [None]
    env[ENV_SP >> 2] = env[ENV_LEFT >> 2]
    while request & 255 == REQUEST_IMPORT and env[ENV_INSTANCE >> 2] == env[ENV_START_INSTANCE >> 2]:
        index = request >> 8
        k = kind[index]
        if k == KIND_OTHER:
            return request
        f = imports[index]
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
            request = int(resume(state, result))
            if request == -1:
                odd(index, r)
                request = int(resume(state, None))
        else:
            request = int(resume(state, None))
    return request


# Number of the instance whose code left.
@micropython.viper
def _left(heap: uint, env_offset: int) -> int:
    env = ptr32(heap + uint(env_offset))
    env[ENV_SP >> 2] = env[ENV_LEFT >> 2]
    return ptr32(uint(env[ENV_INSTANCE >> 2]) - uint(INSTANCE_ID))[0]


# Everything that start alone does not do; the results.
def go_on(env, function, plan, args):
    state = plan[2]
    if state[_STATE_REQUEST] == -1:
        _start(env, function, plan, args)
    if state[_STATE_REQUEST]:
        if state[_STATE_REQUEST] == REQUEST_BUSY:
            raise Error("compiled code is running: an interrupt or another thread cannot call; note it, call later")
        _serve_all(env, state)
    instance, letters = function.instance, function.type
    runtime = instance.runtime
    values = load_all(runtime, letters[letters.find(":") + 1 :], instance.slots)
    if runtime.references:
        runtime.release_references()
    return tuple(values) if len(values) > 1 else values[0] if values else None


# The arguments one by one, with all checks.
def _start(env, function, plan, args):
    instance, letters = function.instance, function.type
    instance.alive()
    env.alive()
    count = letters.find(":")
    if len(args) != count:
        raise TypeError('"%s" takes %d arguments (%s), %d given' % (function.name, count, letters, len(args)))
    store_all(instance.runtime, letters[:count], instance.slots, args, "argument")
    platform.start(plan, None)


def _serve_all(env, state):
    instance, sp, request = env.instance, state[_STATE_SP], state[_STATE_REQUEST]
    slots, imports, kinds = instance.slots, instance.imports, instance.kinds
    resume, odd = platform.resume, instance.odd_result
    env.busy += 1
    try:
        while request:
            if request & 255 == REQUEST_IMPORT:
                request = _serve_words(state, env.address, slots, imports, kinds, request, resume, odd)
                if not request:
                    break
            _serve(env, request)
            request = resume(state, None)
    finally:
        # first: where Python's stack is too deep for _serve_words, it is for poke, which then has nothing to set back
        env.busy -= 1
        poke(env.runtime.base, env.offset + ENV_SP, sp << 1)
        if request and env.runtime.references:  # an exception: there are no results to be loaded first
            env.runtime.release_references()


def _serve(env, request):
    runtime = env.runtime
    instance = runtime.instances[_left(runtime.base, env.offset)]
    if request & 255 == REQUEST_IMPORT:
        _import(instance, request >> 8)
    else:
        from . import requests

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
