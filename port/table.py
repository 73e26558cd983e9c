# Tables: entries of code address and instance pointer (funcref), or of one word (externref).
from .errors import OutOfHeap
from .xip.layout import (
    EXTERNREF_SIZE,
    FUNCREF_SIZE,
    FUNCTION_CODE,
    IMAGE_NULL_FUNCTION,
    IMAGE_TABLES,
    INSTANCE_ID,
    TABLE_ENTRIES,
    TABLE_MAX,
    TABLE_MIN,
    TABLE_SIZE,
    TABLE_SLOT,
    TABLE_SLOT_LENGTH,
    TABLE_TYPE,
)
from .xip.raw import distance, peek, peek_offset, poke, poke_address

_FUNCREF = 112  # "p"


def table_word(module, index, field):
    return module.word(module.word(IMAGE_TABLES) + index * TABLE_SIZE + field)


def owner_of(instance, index):
    return instance.tables[index] if index < len(instance.tables) else (instance, index)


def entry_size(module, index):
    return FUNCREF_SIZE if table_word(module, index, TABLE_TYPE) == _FUNCREF else EXTERNREF_SIZE


def length(instance, index):
    slot = instance.pointer - table_word(instance.module, index, TABLE_SLOT)
    return peek(instance.runtime.base, slot + TABLE_SLOT_LENGTH)


# The entries' place, from the heap's base.
def entries(instance, index):
    slot = instance.pointer - table_word(instance.module, index, TABLE_SLOT)
    return peek_offset(instance.runtime.base, slot)


def place(instance, index, offset, count):
    slot = instance.pointer - table_word(instance.module, index, TABLE_SLOT)
    poke_address(instance.runtime.base, slot, instance.runtime.base, offset)
    poke(instance.runtime.base, slot + TABLE_SLOT_LENGTH, count)


# The block of entries that were allocated apart, 0: they are in the instance's block.
def apart(instance, index):
    at = entries(instance, index)
    return 0 if instance.block <= at < instance.pointer else at


def _null(instance, at, size):
    base = instance.runtime.base
    if size == FUNCREF_SIZE:
        module = instance.module
        poke_address(base, at, module.code, module.word(IMAGE_NULL_FUNCTION))
        poke_address(base, at + 4, base, instance.pointer)
    else:
        poke(base, at, 0)


# At instantiation: an own table, all null.
def fill_null(instance, index):
    module = instance.module
    size, count = entry_size(module, index), table_word(module, index, TABLE_MIN)
    distance = table_word(module, index, TABLE_ENTRIES)
    if distance:
        at = instance.pointer - distance
    else:
        at = instance.runtime.alloc(max(count, 1) * size, "a table")
    place(instance, index, at, count)
    for i in range(count):
        _null(instance, at + i * size, size)


def put_function(instance, index, i, owner, function):
    at, base = entries(instance, index) + i * FUNCREF_SIZE, instance.runtime.base
    poke_address(base, at, owner.module.code, owner.module.function_word(function, FUNCTION_CODE))
    poke_address(base, at + 4, base, owner.pointer)


def put_null(instance, index, i):
    size = entry_size(instance.module, index)
    _null(instance, entries(instance, index) + i * size, size)


def put(instance, index, i, value):
    if value is None:
        put_null(instance, index, i)
    elif entry_size(instance.module, index) == FUNCREF_SIZE:
        put_function(instance, index, i, value.instance, value.index)
    else:
        runtime = instance.runtime
        at = entries(instance, index) + i * EXTERNREF_SIZE
        poke(runtime.base, at, runtime.reference("x", value, "the entry"))


def get(instance, index, i):
    runtime = instance.runtime
    size = entry_size(instance.module, index)
    at = entries(instance, index) + i * size
    if size == EXTERNREF_SIZE:
        return runtime.referenced(peek(runtime.base, at))
    owner = runtime.instances[peek(runtime.base, peek_offset(runtime.base, at + 4) - INSTANCE_ID)]
    found = owner.module.function_at(distance(runtime.base, at, owner.module.code))
    if found is None:
        return None
    from .function import Function

    return Function(owner, found)


# Entries before, -1: refused. New ones are value.
def grow(instance, index, value, count):
    owner, index = owner_of(instance, index)
    runtime, module = owner.runtime, owner.module
    old, size = length(owner, index), entry_size(module, index)
    limit = min(table_word(module, index, TABLE_MAX), 0xFFFFFF)
    if old + count > limit:
        return -1
    if count:
        block = apart(owner, index)
        at = runtime.heap.realloc(block, (old + count) * size) if block else runtime.heap.alloc((old + count) * size)
        if not at:
            return -1
        if not block:
            was = entries(owner, index)
            for i in range(0, old * size, 4):
                poke(runtime.base, at + i, peek(runtime.base, was + i))
        for other in runtime.instances:
            if other is not None and other.block:
                for i in range(module_tables(other)):
                    if owner_of(other, i) == (owner, index):
                        place(other, i, at, old + count)
        for i in range(old, old + count):
            put(owner, index, i, value)
    return old


def module_tables(instance):
    return instance.module.word(IMAGE_TABLES + 4)


class Table:
    def __init__(self, instance, index):
        self.instance = instance
        self.index = index

    def __len__(self):
        return length(self.instance, self.index)

    def _check(self, i):
        if not 0 <= i < len(self):
            raise IndexError("entry %d: the table has %d" % (i, len(self)))

    def __getitem__(self, i):
        self._check(i)
        return get(self.instance, self.index, i)

    def __setitem__(self, i, value):
        self._check(i)
        put(self.instance, self.index, i, value)

    # Entries before.
    def grow(self, count, value=None):
        old = grow(self.instance, self.index, value, count)
        if old < 0:
            raise OutOfHeap("the table cannot grow by %d entries: its limit, or the global heap's" % count)
        return old
