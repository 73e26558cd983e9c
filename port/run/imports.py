# Imports that take or give more than i32s, or that another instance asks for. Imported when the first is called.
from ..platform.kinds import KIND_EXTERNREF, KIND_OTHER
from .values import load_all, store_all


# Called with the lock, which is there again at the end: nothing jumps before it is given back (enter.py).
def serve(instance, index):
    words = bytes(instance.slots)
    instance.runtime.lock[0] = instance.imports[2 * index] == KIND_EXTERNREF
    put(instance, _call(instance, index, words))


# Takes the lock for serve.
def put(instance, words):
    instance.runtime.lock[0] = 1
    instance.slots[: len(words)] = words


def _call(instance, index, words):
    runtime, function = instance.runtime, instance.imports[2 * index + 1]
    if instance.imports[2 * index] >= KIND_OTHER:
        function, letters = function
    else:
        letters = instance.module.function_type(index)
    count = letters.find(":")
    args = load_all(runtime, letters[:count], words)
    runtime.lock[0] = 0
    result = function(*args)
    if "x" in letters[count:]:
        runtime.lock[0] = 1
    return result_words(instance, index, letters[count + 1 :], result)


def result_words(instance, index, letters, result):
    if len(letters) == 1:
        result = (result,)
    elif not letters:
        return b""
    elif not isinstance(result, (tuple, list)) or len(result) != len(letters):
        raise TypeError(
            "import %s must return %d values as a tuple" % (instance.module.import_name(index), len(letters))
        )
    try:
        return store_all(instance.runtime, letters, result, "result")
    except (TypeError, OverflowError) as error:
        raise type(error)("import %s: %s" % (instance.module.import_name(index), error))
