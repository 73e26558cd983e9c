# Linear memory and tables that become larger. At every moment, whatever interrupts it, all who share one find one that
# is not free.
from .. import platform
from ..xip.layout import (
    FLAG_MEMORY_GROWS,
    FLAG_MEMORY_WINDOW,
    IMAGE_FLAGS,
    INSTANCE_MEMORY_PAGES,
    MOST_ENTRIES,
    TABLE_MAX,
)
from ..xip.raw import add, peek, poke
from .memory import page_size, place_memory
from .table import apart, entries, entry_size, length, module_tables, owner_of, place, put, table_word


# How many more of something.
def count_of(value, what):
    if not isinstance(value, int):
        raise TypeError("%s must be an int, not %s" % (what, type(value).__name__))
    if value < 0:
        raise ValueError("%d %s: give 0 or more" % (value, what))
    return value


# Whether what was at an offset may be at another, where it has been copied to: not while code that knows it from before
# is stopped at a poll. Then the copy is gone.
def _may_move(runtime, offset, to):
    if offset != to:
        if runtime.stopped:
            runtime.heap.free(to)
            return False
        runtime.moves += 1
    return True


# Pages before, -1: refused.
def grow_memory(instance, pages):
    owner, runtime = instance.memory_owner, instance.runtime
    module = owner.module
    old = owner.get(INSTANCE_MEMORY_PAGES)
    if not pages:
        return old
    if not module.word(IMAGE_FLAGS) & FLAG_MEMORY_GROWS or old + pages > owner.plan.maximum:
        return -1
    size, had = (old + pages) * page_size(module), owner.memory_size()
    if module.word(IMAGE_FLAGS) & FLAG_MEMORY_WINDOW:  # nobody shares it, and its pages come when they are written
        place_memory(owner, owner.pointer, size, old + pages)
        return old
    offset = owner.plan.resize(runtime, owner.memory_block, size)
    if not offset or not _may_move(runtime, owner.memory_block, offset):
        return -1
    block, owner.memory_block = owner.memory_block, offset
    platform.fill(add(runtime.base, offset + had), size - had, 0)
    for other in runtime.instances:
        if other is not None and other.memory_owner is owner:
            place_memory(other, offset, size, old + pages)
    if block and block != offset:
        runtime.heap.free_kept(block)
    return old


# Entries before, -1: refused. New ones are of these words.
def grow_table(instance, index, count, words):
    owner, index = owner_of(instance, index)
    runtime, module = owner.runtime, owner.module
    old, size = length(owner, index), entry_size(module, index)
    limit = min(table_word(module, index, TABLE_MAX), MOST_ENTRIES)
    if old + count > limit:
        return -1
    if count:
        block = apart(owner, index)
        at = runtime.heap.realloc(block, (old + count) * size, True)
        if not at or not _may_move(runtime, block, at):
            return -1
        if not block:
            was = entries(owner, index)
            for i in range(0, old * size, 4):
                poke(runtime.base, at + i, peek(runtime.base, was + i))
        for i in range(old, old + count):
            put(runtime.base, at + i * size, size, words)
        for other in runtime.instances:
            if other is not None and other.block:
                for i in range(module_tables(other)):
                    if owner_of(other, i) == (owner, index):
                        place(other, i, at, old + count)
        if block and block != at:
            runtime.heap.free_kept(block)
    return old
