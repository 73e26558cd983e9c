# Globals, as Python sees them.
from .. import platform
from ..run.values import load, store
from ..xip.layout import GLOBAL_SIZE, GLOBAL_SLOT, GLOBAL_TYPE, IMAGE_GLOBALS, KIND_GLOBAL
from ..xip.raw import add, peek_offset


def _word(module, index, field):
    return module.word(module.word(IMAGE_GLOBALS) + index * GLOBAL_SIZE + field)


# Letter, + 256 if mutable.
def global_type(module, index):
    return _word(module, index, GLOBAL_TYPE)


# The value's place, from the heap's base; an import's slot holds its address.
def global_offset(instance, index):
    at = instance.pointer - _word(instance.module, index, GLOBAL_SLOT)
    if index < instance.module.imported(KIND_GLOBAL):
        at = peek_offset(instance.runtime.base, at)
    return at


class Global:
    def __init__(self, instance, index):
        self.instance = instance
        self.index = index

    # letter of TYPE_STRING, + 256 if mutable
    @property
    def type(self):
        return global_type(self.instance.alive().module, self.index)

    def _slot(self):
        return platform.view(add(self.instance.alive().runtime.base, global_offset(self.instance, self.index)), 8)

    @property
    def value(self):
        return load(self.instance.runtime, chr(self.type & 255), self._slot(), 0)

    @value.setter
    def value(self, value):
        if not self.type & 256:
            raise TypeError("the global is not mutable")
        runtime, letter = self.instance.runtime, chr(self.type & 255)
        store(runtime, letter, self._slot(), 0, value, "the value")
        if letter == "x":
            from .references import release

            release(runtime)
