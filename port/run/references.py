# References between Python and compiled code. Imported when the first one is made or read.
#
# A funcref is a function's code address and its instance's pointer (store/table.py), the same everywhere, and needs no
# bookkeeping. An externref is a handle: _TAG + the object's place in the runtime's list, which keeps the object
# alive. The list is swept when a call that Python made from outside of any other ends: what no table and no
# global holds then is let go. A call that never ends makes it be swept when it is full, too, and then whatever
# looks like a handle on an operand stack in use or in an args area holds its object: a handle has few zero bits
# at its top so that small numbers, addresses and floats near 1 are none.
from micropython import const

from ..store import table
from ..xip.layout import ENV_SP, IMAGE_ARCH, IMAGE_ARG_SLOTS, IMAGE_ARGS, INSTANCE_ID
from ..xip.raw import peek, peek_offset
from ..xip.scan import mark
from .handles import Function

_TAG = const(0xE5700000)
_MOST = const(0x100000)  # handles
_ROOM = const(16)  # before the first sweep inside a call
_EXTERNREF = const(120)  # "x"


def words_of(runtime, letter, value, what):
    if letter == "x":
        return 0 if value is None else _handle(runtime, value), 0
    if value is None:
        return table.null(runtime), 0
    if not isinstance(value, Function):
        raise TypeError("%s must be a function of an instance or None (funcref)" % what)
    return _function(runtime, value, what)


def _function(runtime, value, what):
    instance = value.instance
    if instance.runtime is not runtime or not instance.block:
        raise TypeError("%s: the function is of another runtime, or its instance was destroyed" % what)
    for module in runtime.modules:
        if module.word(IMAGE_ARCH) != instance.module.word(IMAGE_ARCH):
            raise TypeError("%s: modules for two kinds of CPU are loaded, which cannot share functions" % what)
    words = table.function_words(instance, value.index)
    _owner(runtime, words[1]).given = True  # not instance, where that one gives on what it imports
    return words


# The instance that the second word of a funcref stands for.
def _owner(runtime, high):
    return runtime.instances[peek(high, -INSTANCE_ID)]


def value_of(runtime, letter, words):
    low, high = words
    if letter == "x":
        return runtime.references[low - _TAG] if low else None
    if low == table.null(runtime):
        return None
    owner = _owner(runtime, high)
    return Function(owner, owner.module.function_at(low - owner.module.code))


def _handle(runtime, value):
    known = runtime.references
    place = _place(known, value)
    if place == len(known) and place >= runtime.references_room:
        sweep(runtime, True)
        runtime.references_room = max(_ROOM, 2 * (len(known) - known.count(None)))
        place = _place(known, value)
    if place == _MOST:
        raise MemoryError("too many externrefs")
    if place == len(known):
        known.append(value)
    known[place] = value
    return _TAG + place


# Where value is in the list, else a free place, else the end.
def _place(known, value):
    free = len(known)
    for i in range(len(known)):
        if known[i] is value:
            return i
        if known[i] is None:
            free = i
    return free


# Lets go of what nothing holds; running: nor a call.
def sweep(runtime, running):
    known = runtime.references
    held = bytearray(len(known))
    for instance in runtime.instances:
        if instance is not None and instance.block:
            for at, words in _roots(instance, running):
                mark(runtime.base, at, words, _TAG, held, len(held))
    for i in range(len(known)):
        if not held[i]:
            known[i] = None
    while known and known[-1] is None:
        known.pop()


# Where handles of an instance are, as (offset, words).
def _roots(instance, running):
    for root in table.places(instance, _EXTERNREF):
        yield root
    for offset in instance.owned:
        yield offset, 1
    if running:
        module, base = instance.module, instance.runtime.base
        yield instance.pointer - module.word(IMAGE_ARGS), 2 * module.word(IMAGE_ARG_SLOTS)
        for env in instance.exec_envs:
            if env.busy:
                sp = peek_offset(base, env.offset + ENV_SP)
                yield sp, (env.top() - sp) >> 2
