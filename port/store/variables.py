# Globals, as Python sees them.
from ..xip.layout import GLOBAL_SIZE, GLOBAL_SLOT, GLOBAL_TYPE, IMAGE_GLOBALS, KIND_GLOBAL
from ..xip.raw import peek_offset


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
