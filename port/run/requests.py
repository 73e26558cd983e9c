# What compiled code asks the runtime for, other than calling an import. Imported when first asked.
import struct

from .. import platform
from ..errors import Trap
from ..store import growth, passive, table
from ..traps import MESSAGES
from ..xip.layout import (
    ENV_LEFT,
    ENV_PC,
    ENV_TOP,
    FUNCTION_CODE,
    FUNCTION_SIZE,
    IMAGE_FUNCTIONS,
    REQUEST_ATOMIC_NOTIFY,
    REQUEST_ATOMIC_WAIT,
    REQUEST_DATA_DROP,
    REQUEST_ELEM_DROP,
    REQUEST_FAR_PAGE,
    REQUEST_MEMORY_COPY,
    REQUEST_MEMORY_FILL,
    REQUEST_MEMORY_GROW,
    REQUEST_MEMORY_INIT,
    REQUEST_TABLE_COPY,
    REQUEST_TABLE_FILL,
    REQUEST_TABLE_GROW,
    REQUEST_TABLE_INIT,
    REQUEST_TRAP,
    TABLE_SHIFT,
    TRAP_OUT_OF_BOUNDS_TABLE,
)
from ..xip.raw import add, peek, peek_offset
from ..xip.scan import nearest_below


def serve(env, instance, kind, operand):
    try:
        if kind == REQUEST_FAR_PAGE:
            instance.refill(instance)
        else:
            _serve(env, instance, kind, operand)
    except Trap as trap:
        trap.left, trap.tell = (env, instance.module, sum(_used(env))), _tell
        raise


def _tell(trap, what):
    from . import trapped

    return getattr(trapped, what)(trap, _used(trap.left[0]))


# What is in use of the operand stack; nothing where a call found no room to start, and no code ever left.
def _used(env):
    base = env.alive().runtime.base
    left, top = [peek_offset(base, env.offset + field) for field in (ENV_LEFT, ENV_TOP)]
    return platform.view(add(base, left), top - left) if env.offset < left < top else b""


def _serve(env, instance, kind, operand):
    if kind == REQUEST_TRAP:
        _trap(env, instance, operand)
    slots = instance.slots
    a, b, c = [struct.unpack_from("<I", slots, at)[0] for at in (0, 8, 16)]
    if kind == REQUEST_MEMORY_GROW:
        _answer(slots, growth.grow_memory(instance, a))
    elif kind == REQUEST_MEMORY_INIT:
        passive.memory_init(instance, operand, a, b, c)
    elif kind == REQUEST_DATA_DROP:
        passive.data_drop(instance, operand)
    elif kind == REQUEST_TABLE_INIT:
        passive.table_init(instance, operand, a, b, c)
    elif kind == REQUEST_ELEM_DROP:
        passive.elem_drop(instance, operand)
    elif kind == REQUEST_TABLE_COPY:
        _table_copy(instance, operand >> TABLE_SHIFT, operand & (1 << TABLE_SHIFT) - 1, a, b, c)
    elif kind == REQUEST_TABLE_GROW:
        _answer(slots, growth.grow_table(instance, operand, a, struct.unpack_from("<II", slots, 8)))
    elif kind == REQUEST_TABLE_FILL:
        _check(instance, operand, a, c)
        table.fill(instance, operand, a, c, struct.unpack_from("<II", slots, 8))
    elif kind == REQUEST_ATOMIC_WAIT:
        from .waiting import wait

        _answer(slots, wait(instance, operand))
    elif kind == REQUEST_ATOMIC_NOTIFY:
        from .waiting import notify

        _answer(slots, notify(instance, a, b))
    elif kind in (REQUEST_MEMORY_FILL, REQUEST_MEMORY_COPY):
        from ..store import far

        if kind == REQUEST_MEMORY_FILL:
            far.fill(instance, a, b & 255, c)
        else:
            far.copy(instance, a, b, c)
    else:
        raise RuntimeError("compiled code asked for %d: the image is newer than this runtime" % kind)


def _answer(slots, value):
    struct.pack_into("<I", slots, 0, value & 0xFFFFFFFF)


def _check(instance, index, start, count):
    if start + count > table.length(instance, index):
        raise Trap(MESSAGES[TRAP_OUT_OF_BOUNDS_TABLE])


def _table_copy(instance, to_table, from_table, to, start, count):
    _check(instance, from_table, start, count)
    _check(instance, to_table, to, count)
    size, base = table.entry_size(instance.module, to_table), instance.runtime.base
    if count:
        source = platform.view(add(base, table.entries(instance, from_table) + start * size), count * size)
        target = platform.view(add(base, table.entries(instance, to_table) + to * size), count * size)
        target[:] = bytes(source)  # they may overlap


# ENV_PC lies behind the call that trapped. Offsets are from the image's start, as FUNCTION_CODE is.
def _trap(env, instance, code):
    module = instance.module
    at = env.offset + ENV_PC
    pc = peek(env.runtime.base, at)
    offset = (pc - module.code + 1) & ~1  # module.code may have the Thumb bit
    index = nearest_below(
        module.base,
        module.word(IMAGE_FUNCTIONS) + FUNCTION_CODE,
        module.word(IMAGE_FUNCTIONS + 4),
        FUNCTION_SIZE,
        offset - 1,
    )
    name = module.function_name(index) if index >= 0 else None
    raise Trap(MESSAGES[code], name, offset, pc)
