# Constant expressions, and the data and element segments that they place: let go when an instance is made.
from .. import platform
from ..errors import Trap
from ..xip.layout import (
    DATA_LENGTH,
    DATA_MODE,
    DATA_OFFSET,
    DATA_SIZE,
    DATA_START,
    ELEMENT_COUNT,
    ELEMENT_ITEMS,
    ELEMENT_MODE,
    ELEMENT_OFFSET,
    ELEMENT_SIZE,
    ELEMENT_TABLE,
    EXPR_CONST,
    EXPR_FUNCTION,
    EXPR_GLOBAL,
    FLAG_MEMORY_WINDOW,
    IMAGE_DATA,
    IMAGE_ELEMENTS,
    IMAGE_FLAGS,
    NONE,
    SEGMENT_ACTIVE,
    TRAP_OUT_OF_BOUNDS_MEMORY,
    TRAP_OUT_OF_BOUNDS_TABLE,
)
from ..xip.raw import add, peek
from . import table
from .variables import global_offset


# The two words of an expression's value. record: its offset in the image.
def evaluate(instance, record):
    module, runtime = instance.module, instance.runtime
    kind, low = module.word(record), module.word(record + 4)
    if kind == EXPR_CONST:
        return low, module.word(record + 8)
    if kind == EXPR_GLOBAL:
        at = global_offset(instance, low)
        return peek(runtime.base, at), peek(runtime.base, at + 4)
    if kind == EXPR_FUNCTION:
        return (table.null(runtime), 0) if low == NONE else table.function_words(instance, low)
    return 0, 0


def check(start, length, size, trap):
    if start + length > size:
        from ..traps import MESSAGES

        raise Trap(MESSAGES[trap])


# --- data ---


def init_data(instance):
    module = instance.module
    record = module.word(IMAGE_DATA)
    for i in range(module.word(IMAGE_DATA + 4)):
        if module.word(record + DATA_MODE) == SEGMENT_ACTIVE:
            copy_data(instance, record, evaluate(instance, record + DATA_OFFSET)[0], 0, None)
        record += DATA_SIZE


# length None: all of it
def copy_data(instance, record, to, start, length):
    module, runtime = instance.module, instance.runtime
    if length is None:
        length = module.word(record + DATA_LENGTH)
    check(to, length, instance.memory_size(), TRAP_OUT_OF_BOUNDS_MEMORY)
    if length:
        source = platform.view(module.base + module.word(record + DATA_START) + start, length)
        if module.word(IMAGE_FLAGS) & FLAG_MEMORY_WINDOW:
            from .far import write

            write(instance, to, source)
            return
        platform.view(add(runtime.base, instance.memory_offset() + to), length)[:] = source


# --- elements ---


def init_elements(instance):
    module = instance.module
    record = module.word(IMAGE_ELEMENTS)
    for i in range(module.word(IMAGE_ELEMENTS + 4)):
        if module.word(record + ELEMENT_MODE) == SEGMENT_ACTIVE:
            to = evaluate(instance, record + ELEMENT_OFFSET)[0]
            copy_elements(instance, record, module.word(record + ELEMENT_TABLE), to, 0, None)
        record += ELEMENT_SIZE


def copy_elements(instance, record, index, to, start, count):
    module = instance.module
    if count is None:
        count = module.word(record + ELEMENT_COUNT)
    check(to, count, table.length(instance, index), TRAP_OUT_OF_BOUNDS_TABLE)
    item = module.word(record + ELEMENT_ITEMS) + 12 * start
    for i in range(to, to + count):
        table.put_words(instance, index, i, evaluate(instance, item))
        item += 12
