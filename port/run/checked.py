# Exports called with other arguments than small ints, or with wrong ones. Imported when the first is.
from .. import platform
from ..errors import Error
from .lock import locked
from .values import store_all


# words: for the args area, where the results' are afterwards.
def enter(function, words):
    return locked(function.instance.runtime, _enter, function, words)


# Nothing jumps here.
def _enter(function, words):
    function.instance.slots[: len(words)] = words
    return platform.start(function, function.plan)


def _store_and_enter(function, letters, args):
    return _enter(function, store_all(function.instance.runtime, letters, args, "argument"))


# Their letters, if args are as many.
def parameters(function, args):
    letters = function.type
    count = letters.find(":")
    if len(args) != count:
        raise TypeError('"%s" takes %d arguments (%s), %d given' % (function.name, count, letters, len(args)))
    return letters[:count]


# The arguments one by one, with all checks, and go.
def start_checked(function, args):
    instance, env = function.instance.alive(), function.env
    if env is None:
        raise Error("the function has no exec env (stack_size=0): create_exec_env and call through it")
    env.alive()
    runtime, letters = instance.runtime, parameters(function, args)
    env.busy += 1
    try:
        if "x" in letters:
            return locked(runtime, _store_and_enter, function, letters, args)
        return enter(function, store_all(runtime, letters, args, "argument"))
    finally:
        env.busy -= 1
        if runtime.references:
            runtime.release_references()
