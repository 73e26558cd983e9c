# The aux stack's parts. It lies in linear memory, and the global that points into it is the instance's: two calls that
# are suspended in turn would overwrite each other's. So each has a part of it, and the pointer and the bottom that
# compiled code compares it with are a call's own while its code runs. What is not awaited has what lies above all
# parts, where the stack begins.
from micropython import const

from ..errors import Error
from ..store.variables import global_offset
from ..xip.layout import (
    EXPR_CONST,
    FLAG_MEMORY,
    GLOBAL_INIT,
    GLOBAL_SIZE,
    GLOBAL_TYPE,
    IMAGE_GLOBALS,
    IMAGE_STACK_POINTER,
    INSTANCE_AUX_BOTTOM,
    KIND_GLOBAL,
    NONE,
)
from ..xip.raw import peek, poke

_MUTABLE_I32 = const(256 + 105)  # GLOBAL_TYPE of "i"


# start, end: addresses in linear memory. at: where the pointer is, None: it is not known; pointer, bottom: those of the
# two, the part's and what else runs, that are not there now.
class Part:
    def __init__(self, instance, at, start, end):
        self.instance = instance
        self.at = at
        self.start = self.bottom = start
        self.end = self.pointer = end

    def exchange(self):
        if self.at is None:
            return
        base, instance = self.instance.runtime.base, self.instance
        pointer, bottom = peek(base, self.at), instance.get(INSTANCE_AUX_BOTTOM)
        poke(base, self.at, self.pointer)
        instance.put(INSTANCE_AUX_BOTTOM, self.bottom)
        self.pointer, self.bottom = pointer, bottom


# One of each aux stack that a call on env may come to. size: bytes, None: a quarter.
def take(env, size):
    parts = []
    for instance in reached(env.instance):
        part = _part(instance, size)
        if part:
            parts.append(part)
    env.parts = parts
    for part in parts:
        _set_bottom(part.instance)


def give_back(env):
    parts, env.parts = env.parts, ()
    for part in parts:
        if part.instance.block:
            _set_bottom(part.instance)


# The instance, and those that have given or been given anything: a call comes to them directly, or by a table. None is
# destroyed before the call has ended.
def reached(instance):
    present = instance.runtime.present()
    providers = [provider for other in present for provider in other.providers]
    return [i for i in present if i is instance or i.given or i.providers or i in providers]


# All parts that there are of an instance's aux stack.
def _parts(instance):
    envs = [env for other in instance.runtime.present() for env in other.exec_envs]
    return [part for env in envs for part in getattr(env, "parts", ()) if part.instance is instance]


# What else runs has what lies above them.
def _set_bottom(instance):
    bottom, size = instance.aux_stack()
    if size:
        instance.put(INSTANCE_AUX_BOTTOM, max([bottom] + [part.end for part in _parts(instance)]))


def _part(instance, size):
    index, (bottom, whole) = instance.module.word(IMAGE_STACK_POINTER), instance.aux_stack()
    taken = [(part.start, part.end) for part in _parts(instance)]
    if index == NONE or not whole:
        if not _may_have_stack(instance.module):
            return None
        if taken:
            raise Error(
                "two calls of this module cannot wait at once: it may have an aux stack, and does not say where;"
                " link it with -Wl,--export=__heap_base,--export=__data_end"
            )
        return Part(instance, None, 0, 0)
    at = global_offset(instance, index)
    size = (whole >> 2 if size is None else size) + 15 & ~15
    end = (peek(instance.runtime.base, at) - size) & ~15  # as much stays for what is not awaited
    for start, stop in sorted(taken, reverse=True):
        if stop <= end - size:
            break
        end = min(end, start)
    if end - size < bottom:
        raise Error(
            "no room for %d bytes of aux stack: of its %d, %d calls that wait have parts, and as much stays for others;"
            " give a smaller aux_size, or link the module with a larger one (-Wl,-z,stack-size=)"
            % (size, whole, len(taken))
        )
    return Part(instance, at, end - size, end)


# Whether one of its globals looks as what a linker makes of the aux stack's pointer.
def _may_have_stack(module):
    record = module.word(IMAGE_GLOBALS)
    for i in range(module.word(IMAGE_GLOBALS + 4)):
        if i >= module.imported(KIND_GLOBAL) and module.word(record + GLOBAL_TYPE) == _MUTABLE_I32:
            kind, value = module.word(record + GLOBAL_INIT), module.word(record + GLOBAL_INIT + 4)
            if kind == EXPR_CONST and value and not value & 15:
                return bool(module.flags() & FLAG_MEMORY)
        record += GLOBAL_SIZE
    return False
