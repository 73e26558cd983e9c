# What memory.init, table.init and the drops do with passive segments.
from ..xip.layout import (
    DATA_LENGTH,
    DATA_MODE,
    DATA_SIZE,
    ELEMENT_COUNT,
    ELEMENT_MODE,
    ELEMENT_SIZE,
    IMAGE_DATA,
    IMAGE_ELEMENTS,
    SEGMENT_PASSIVE,
    TABLE_SHIFT,
    TRAP_OUT_OF_BOUNDS_MEMORY,
    TRAP_OUT_OF_BOUNDS_TABLE,
)
from .segments import check, copy_data, copy_elements


def memory_init(instance, segment, to, start, length):
    module = instance.module
    record = module.word(IMAGE_DATA) + segment * DATA_SIZE
    size = module.word(record + DATA_LENGTH)
    if module.word(record + DATA_MODE) != SEGMENT_PASSIVE or instance.dropped >> 2 * segment & 1:
        size = 0
    check(start, length, size, TRAP_OUT_OF_BOUNDS_MEMORY)
    copy_data(instance, record, to, start, length)


def data_drop(instance, segment):
    instance.dropped |= 1 << 2 * segment


def table_init(instance, operand, to, start, count):
    module, index, segment = instance.module, operand >> TABLE_SHIFT, operand & (1 << TABLE_SHIFT) - 1
    record = module.word(IMAGE_ELEMENTS) + segment * ELEMENT_SIZE
    size = module.word(record + ELEMENT_COUNT)
    if module.word(record + ELEMENT_MODE) != SEGMENT_PASSIVE or instance.dropped >> 2 * segment + 1 & 1:
        size = 0
    check(start, count, size, TRAP_OUT_OF_BOUNDS_TABLE)
    copy_elements(instance, record, index, to, start, count)


def elem_drop(instance, segment):
    instance.dropped |= 2 << 2 * segment
