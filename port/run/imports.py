# Imports that take or give more than i32s, or gave something else, or that another instance asks for. Imported when the
# first is called.
from ..errors import Error
from ..platform.kinds import KIND_EXTERNREF, KIND_OTHER
from .values import load_all, store_all

# Types of what is awaited on MicroPython: coroutines, which are generators there; tasks; what asyncio.sleep gives.
_AWAITABLE = ("generator", "Task", "SingletonGenerator")


# Called with the lock, which is there again at the end: nothing jumps before it is given back (enter.py).
def serve(instance, index):
    put(instance, result_words(instance, index, called(instance, index, taken(instance, index))))


# Takes the lock for serve.
def put(instance, words):
    instance.runtime.lock[0] = 1
    instance.slots[: len(words)] = words


def _function_and_type(instance, index):
    function = instance.imports[2 * index + 1]
    if instance.imports[2 * index] >= KIND_OTHER:
        return function
    return function, instance.module.function_type(index)


# The arguments, with which the lock is given back.
def taken(instance, index):
    words, runtime = bytes(instance.slots), instance.runtime
    runtime.lock[0] = instance.imports[2 * index] == KIND_EXTERNREF
    _, letters = _function_and_type(instance, index)
    args = load_all(runtime, letters[: letters.find(":")], words)
    runtime.lock[0] = 0
    return args


def called(instance, index, args):
    function, _ = _function_and_type(instance, index)
    return function(*args)


def is_awaitable(value):
    return hasattr(value, "__await__") or type(value).__name__ in _AWAITABLE


# With externrefs under the lock from then on.
def result_words(instance, index, result):
    _, letters = _function_and_type(instance, index)
    letters = letters[letters.find(":") + 1 :]
    name = instance.module.import_name
    if "x" in letters:
        instance.runtime.lock[0] = 1
    elif is_awaitable(result):
        if hasattr(result, "close"):
            result.close()
        raise Error(
            "import %s is async: who calls the export must wait for it, await exports.NAME.call_async(...)"
            % name(index)
        )
    if len(letters) == 1:
        result = (result,)
    elif not letters:
        return b""
    elif not isinstance(result, (tuple, list)) or len(result) != len(letters):
        raise TypeError("import %s must return %d values as a tuple" % (name(index), len(letters)))
    try:
        return store_all(instance.runtime, letters, result, "result")
    except (TypeError, OverflowError) as error:
        raise type(error)("import %s: %s" % (name(index), error))
