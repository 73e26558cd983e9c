# Entering compiled code, and what happens when it leaves.
#
# The platform's start and serve read these in place. An address is in them as half of it (see half), so that
# the object's bits are the address + 1:
#   state, a list, of an exec env: the stub (0: the exec env is gone), exec env, instance pointer, args area; written by
#       start: the stack pointer before it, and the request that code left with; imports of its instance; written by
#       serve: a result that is no small int
#   plan, a tuple, of a function: the Function; finish; checked; None; state; thunk; function; number of parameters if
#       all are i32 (otherwise -1); result (RESULT_*)
# start(function, *args): what a call of a Function is. Arguments into the args area, and go. Where these are not as
#   many small ints as it takes, or code cannot run, nothing was done, and checked(function, *args) is called. Otherwise
#   it takes the lock; None or a small int is the result, and the lock is free again; for all else code has left,
#   state[5] says why (0: it is done), and finish(function) is called.
# start(function, plan): the arguments are there already, and the caller has the lock.
# serve(state, request): calls imports that take and give i32s, and goes on, until code leaves with another request:
#   gives that. -1, for request: go on, the result is there already; as result: state[7] is what the import of the
#   request state[5] gave, which is no small int; where none is asked for, an object at an address.
#
# What was scheduled may run wherever bytecode jumps (py/vm.c, pending_exception_check), an interrupt's handler
# anywhere, and both may call, too. So what start leaves in an args area and an exec env is under the lock, CELL_LOCK,
# until it is taken out, and start refuses meanwhile. Nothing jumps but machine code then, so that a callback is not
# refused, unless memory, tables or externrefs change: for these the lock is kept. invariant: args-lock
# Where code left for a request, ENV_LEFT, is ENV_SP before the lock is given back: what is called then starts below,
# and there it goes on.
import micropython
from micropython import const

from .. import platform
from ..errors import Error
from ..platform.kinds import KIND_EXTERNREF, KIND_OTHER, KIND_RESULT
from ..xip.layout import (
    CELL_LOCK,
    ENV_CELL,
    ENV_INSTANCE,
    ENV_LEFT,
    ENV_SP,
    FLAG_EXTERNREF,
    FUNCTION_CODE,
    IMAGE_ARGS,
    INSTANCE_ID,
    REQUEST_BUSY,
    REQUEST_IMPORT,
    REQUEST_POLL,
)
from ..xip.raw import add

_PLAN_NONE = const(3)
_PLAN_STATE = const(4)
_PLAN_RESULT = const(8)
_STATE_SP = const(4)
_STATE_REQUEST = const(5)
_STATE_ODD = const(7)
_GO_ON = const(-1)
_RESULT_NONE = const(0)
_RESULT_WORD = const(1)
_RESULT_OTHER = const(2)
_RESULT_EXTERNREF = const(3)  # among others
_RESULT_SWEPT = const(4)  # added: externrefs must be seen to afterwards, which start alone does not do
_MAX_WORDS = const(4)


# The small int whose object is the word address | 1 (MICROPY_OBJ_REPR_A and _C: 2 * value + 1).
def half(address):
    address >>= 1
    return address - 0x80000000 if address >= 0x40000000 else address


def make_state(env, instance):
    base, module = env.runtime.base, instance.module
    area = add(base, instance.pointer - module.word(IMAGE_ARGS))
    addresses = module.enter, env.address, add(base, instance.pointer), area
    return [half(address) for address in addresses] + [0, 0, instance.imports, 0]


def make_plan(function, checked, state):
    instance, index, letters = function.instance, function.index, function.type
    module = instance.module
    count = letters.find(":")
    results = letters[count + 1 :]
    return (
        function,
        finish,
        checked,
        None,
        state,
        half(module.code + module.thunk(index)),
        half(module.code + module.function_word(index, FUNCTION_CODE)),
        count if letters.count("i", 0, count) == count else -1,
        _result_kind(instance, results),
    )


def _result_kind(instance, results):
    swept = _RESULT_SWEPT if _has_externrefs(instance) else 0
    if "x" in results:
        return swept + _RESULT_EXTERNREF
    return swept + (_RESULT_WORD if results == "i" else _RESULT_OTHER if results else _RESULT_NONE)


def _has_externrefs(instance):
    if instance.module.flags() & FLAG_EXTERNREF:
        return True
    return any([_has_externrefs(provider) for provider in instance.providers])


# What serve can do with an import of this type.
def import_kind(letters):
    count = letters.find(":")
    results = letters[count + 1 :]
    if "x" in letters:
        return KIND_EXTERNREF
    if count <= _MAX_WORDS and letters.count("i", 0, count) == count and results in ("", "i"):
        return count + (KIND_RESULT if results else 0)
    return KIND_OTHER


def refuse():
    raise Error("compiled code is running: an interrupt or another thread cannot call; note it, call later")


@micropython.viper
def _word(slots: ptr32) -> int:
    return slots[0]


# Serves what code left for until it is done: the results of the call. It is viper's, as start is, and calls nothing to
# give lock and stack pointer back: Python's stack has room for that where it had for start.
@micropython.viper
def finish(function):
    env = function.env
    plan = function.plan
    state = plan[_PLAN_STATE]
    runtime = env.runtime
    block = ptr32(env.address)
    cell = ptr32(block[ENV_CELL >> 2])
    kind = int(plan[_PLAN_RESULT]) & _RESULT_EXTERNREF
    result = plan[_PLAN_NONE]  # an object, as viper has types
    sp = int(state[_STATE_SP])
    request = int(state[_STATE_REQUEST])
    ended = 0
    env.busy = int(env.busy) + 1
    try:
        while request:
            request = int(platform.serve(state, request))
            if request == 0:
                break
            if request == REQUEST_BUSY:
                refuse()
            if request == _GO_ON:
                env.instance.odd_result(int(state[_STATE_REQUEST]) >> 8, state[_STATE_ODD])
                continue
            block[ENV_SP >> 2] = block[ENV_LEFT >> 2]
            instance = runtime.instances[ptr32(uint(block[ENV_INSTANCE >> 2]) - uint(INSTANCE_ID))[0]]
            if request & 255 == REQUEST_IMPORT:
                from . import imports

                imports.serve(instance, request >> 8)
            elif request & 255 == REQUEST_POLL:
                from . import polls

                polls.serve(function, instance)
            else:
                from . import requests

                requests.serve(env, instance, request & 255, request >> 8)
            request = _GO_ON
        if kind == _RESULT_WORD:
            result = _word(env.instance.slots)
        elif kind:
            words = bytes(env.instance.slots)
            if kind == _RESULT_OTHER:
                cell[CELL_LOCK >> 2] = 0
            from . import values

            result = values.results(runtime, function.type, words)
        ended = 1
    finally:
        block[ENV_SP >> 2] = sp << 1
        cell[CELL_LOCK >> 2] = 0
        env.busy = int(env.busy) - 1
        if not ended:
            from . import failed

            failed.reset(runtime)
        if runtime.references:
            runtime.release_references()
    return result
