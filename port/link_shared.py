# Imports of globals, memories and tables.
from . import platform
from .errors import incompatible, wrong
from .run.handles import Function, Memory
from .run.shared import Global, Table
from .run.values import name_of, store
from .store.memory import page_size, place_memory
from .store.table import entries, length, owner_of, place, table_word
from .store.variables import global_offset, global_type
from .xip.layout import (
    FLAG_MEMORY_SHARED,
    FLAG_MEMORY_WINDOW,
    GLOBAL_SIZE,
    GLOBAL_SLOT,
    IMAGE_FLAGS,
    IMAGE_GLOBALS,
    IMAGE_MEMORY_MAX,
    IMAGE_MEMORY_MIN,
    IMAGE_MEMORY_SIZE,
    INSTANCE_MEMORY_PAGES,
    NONE,
    TABLE_MAX,
    TABLE_MIN,
    TABLE_TYPE,
)
from .xip.raw import add


def variable(instance, index, value, what):
    module, runtime = instance.module, instance.runtime
    wanted = global_type(module, index)
    slot = module.word(module.word(IMAGE_GLOBALS) + index * GLOBAL_SIZE + GLOBAL_SLOT)
    if isinstance(value, Global):
        given = global_type(value.instance.module, value.index)
        if given != wanted:
            wrong(what, _global_name(wanted), _global_name(given))
        offset = global_offset(value.instance, value.index)
    elif wanted & 256 or not _is_constant(chr(wanted), value):
        wrong(what, _global_name(wanted), value)
    else:
        offset = runtime.alloc(8, what)
        instance.owned += (offset,)
        store(runtime, chr(wanted), platform.view(add(runtime.base, offset), 8), 0, value, what)
    instance.put_address(slot, runtime.base, offset)


def _is_constant(letter, value):
    if letter == "p":
        return value is None or isinstance(value, Function)
    return letter == "x" or isinstance(value, (bool, int, float))


def _global_name(kind):
    return ("a mutable global " if kind & 256 else "an immutable global ") + name_of(chr(kind & 255))


# Limits as the standard matches them: at least as much, and no more allowed than the importer's maximum.
def _check_limits(what, size, maximum, wanted, wanted_maximum, unit):
    if size < wanted:
        incompatible("%s must have at least %d %s, it has %d" % (what, wanted, unit, size))
    if wanted_maximum != NONE and (maximum == NONE or maximum > wanted_maximum):
        has = "no maximum" if maximum == NONE else str(maximum)
        incompatible("%s must have a maximum of %d %s or less, it has %s" % (what, wanted_maximum, unit, has))


def memory(instance, index, value, what):
    if hasattr(value, "make"):  # host/threads.py's
        value.make(instance)
        return
    if not isinstance(value, Memory):
        wrong(what, "a memory of another instance", value)
    owner, module = value.instance.memory_owner, instance.module
    if owner.module.word(IMAGE_FLAGS) & FLAG_MEMORY_WINDOW:
        incompatible("%s has a window, which no importer's code knows: build its module without --window" % what)
    if (owner.module.word(IMAGE_FLAGS) ^ module.word(IMAGE_FLAGS)) & FLAG_MEMORY_SHARED:
        kinds = "a memory that is not shared", "a shared memory"
        wanted = module.word(IMAGE_FLAGS) & FLAG_MEMORY_SHARED > 0
        wrong(what, kinds[wanted], kinds[not wanted])
    given, wanted = page_size(owner.module), page_size(module)
    if given != wanted:
        incompatible("%s must have pages of %d bytes, it has pages of %d" % (what, wanted, given))
    _check_limits(
        what,
        owner.get(INSTANCE_MEMORY_PAGES),
        owner.module.word(IMAGE_MEMORY_MAX),
        module.word(IMAGE_MEMORY_MIN),
        module.word(IMAGE_MEMORY_MAX),
        "pages",
    )
    # the code leaves out the check of what lies below its own minimum
    size, wanted = owner.memory_size(), module.word(IMAGE_MEMORY_SIZE)
    if size < wanted:
        incompatible(
            "%s must have at least %d bytes, it ends at its __heap_base, %d: build its module without exporting "
            "__heap_base and __data_end" % (what, wanted, size)
        )
    instance.memory_owner = owner
    place_memory(instance, owner.memory_offset(), owner.memory_size(), owner.get(INSTANCE_MEMORY_PAGES))


def table(instance, index, value, what):
    if not isinstance(value, Table):
        wrong(what, "a table of another instance", value)
    owner, i = owner_of(value.instance, value.index)
    module = instance.module
    if table_word(owner.module, i, TABLE_TYPE) != table_word(module, index, TABLE_TYPE):
        wrong(what, "a table of the other reference type", "one")
    _check_limits(
        what,
        length(owner, i),
        table_word(owner.module, i, TABLE_MAX),
        table_word(module, index, TABLE_MIN),
        table_word(module, index, TABLE_MAX),
        "entries",
    )
    instance.tables += ((owner, i),)
    place(instance, index, entries(owner, i), length(owner, i))
