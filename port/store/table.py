# Tables and other places of references. A funcref is two words wherever it is kept: code address and instance
# pointer; an externref is one, a handle of run/references.py. Nothing else makes or reads such words.
from micropython import const

from .. import platform
from ..xip.layout import (
    CELL_NULL_CODE,
    EXTERNREF_SIZE,
    FUNCREF_SIZE,
    FUNCTION_CODE,
    IMAGE_GLOBALS,
    IMAGE_TABLES,
    IMPORT_INDEX,
    IMPORT_KIND,
    IMPORT_SLOT,
    IMPORT_SLOT_INSTANCE,
    KIND_FUNCTION,
    KIND_GLOBAL,
    TABLE_ENTRIES,
    TABLE_MIN,
    TABLE_SIZE,
    TABLE_SLOT,
    TABLE_SLOT_LENGTH,
    TABLE_TYPE,
)
from ..xip.raw import add, peek, peek_offset, poke, poke_address
from .variables import global_offset, global_type

_FUNCREF = const(112)  # "p"


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


# The block of entries that were allocated apart, 0: they are in the instance's block, or not linked yet.
def apart(instance, index):
    if not peek(instance.runtime.base, instance.pointer - table_word(instance.module, index, TABLE_SLOT)):
        return 0
    at = entries(instance, index)
    return 0 if instance.block <= at < instance.pointer else at


# All such blocks of an instance's own tables.
def tables_apart(instance):
    blocks = [apart(instance, i) for i in range(len(instance.tables), module_tables(instance))]
    return [block for block in blocks if block]  # offsets may be negative


# --- the words of references ---


# The code address of a null funcref, whose second word is 0: behind the runtime cell's CELL_NULL, 0, which is thus its
# signature word.
def null(runtime):
    return add(runtime.base, runtime.cell + CELL_NULL_CODE + platform.code_bit())


# Both words of a function; of an import that another instance provides, that one's.
def function_words(instance, index):
    module, base = instance.module, instance.runtime.base
    if 2 * index < len(instance.imports) and instance.imports[2 * index + 1] is None:
        for record in module.import_records():
            if module.word(record + IMPORT_KIND) == KIND_FUNCTION and module.word(record + IMPORT_INDEX) == index:
                slot = instance.pointer - module.word(record + IMPORT_SLOT)
                return peek(base, slot), peek(base, slot + IMPORT_SLOT_INSTANCE)
    return module.code + module.function_word(index, FUNCTION_CODE), add(base, instance.pointer)


# words: low, high; high means nothing to an externref.
def put_words(instance, index, i, words):
    size = entry_size(instance.module, index)
    put(instance.runtime.base, entries(instance, index) + i * size, size, words)


def put(base, at, size, words):
    poke(base, at, words[0])
    if size == FUNCREF_SIZE:
        poke(base, at + 4, words[1])


def get_words(instance, index, i):
    size, base = entry_size(instance.module, index), instance.runtime.base
    at = entries(instance, index) + i * size
    return peek(base, at), peek(base, at + 4) if size == FUNCREF_SIZE else 0


# Where an instance keeps references of a type by itself, not as imports: (offset, how many) again and again.
def places(instance, kind):
    module = instance.module
    for i in range(len(instance.tables), module_tables(instance)):
        if table_word(module, i, TABLE_TYPE) == kind:
            yield entries(instance, i), length(instance, i)
    for i in range(module.imported(KIND_GLOBAL), module.word(IMAGE_GLOBALS + 4)):
        if global_type(module, i) & 255 == kind:
            yield global_offset(instance, i), 1


# Where others keep a function of the instance, as offsets.
def holders(instance):
    base = instance.runtime.base
    for other in instance.runtime.instances:
        if other is not None and other is not instance and other.block:
            for at, count in places(other, _FUNCREF):
                for at in range(at, at + FUNCREF_SIZE * count, FUNCREF_SIZE):
                    if peek_offset(base, at + 4) == instance.pointer:
                        yield at


# --- making ---


# At instantiation: an own table, all null.
def make(instance, index):
    module = instance.module
    size, count = entry_size(module, index), table_word(module, index, TABLE_MIN)
    distance = table_word(module, index, TABLE_ENTRIES)
    if distance:
        at = instance.pointer - distance
    else:
        at = instance.runtime.alloc(max(count, 1) * size, "a table of %d entries" % count)
    place(instance, index, at, count)
    fill(instance, index, 0, count, (null(instance.runtime) if size == FUNCREF_SIZE else 0, 0))


def fill(instance, index, start, count, words):
    for i in range(start, start + count):
        put_words(instance, index, i, words)


def module_tables(instance):
    return instance.module.word(IMAGE_TABLES + 4)


# The end of an instance: its functions in others' tables and globals become null.
def forget(instance):
    if instance.block:
        base = instance.runtime.base
        for at in holders(instance):
            poke(base, at, null(instance.runtime))
            poke(base, at + 4, 0)
