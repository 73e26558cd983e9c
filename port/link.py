# Imports: found by name, checked against what the module says, written into the instance's slots.
from . import platform
from .errors import LinkError
from .run.enter import KIND_OTHER, import_kind
from .run.handles import Function, Global, Memory, Table
from .run.values import name_of, store
from .store.memory import share_memory
from .store.table import entries, function_words, length, owner_of, place, table_word
from .store.variables import global_offset, global_type
from .xip.layout import (
    GLOBAL_SIZE,
    GLOBAL_SLOT,
    IMAGE_ARCH,
    IMAGE_GLOBALS,
    IMAGE_MEMORY_MAX,
    IMAGE_MEMORY_MIN,
    IMAGE_MEMORY_SIZE,
    IMPORT_INDEX,
    IMPORT_KIND,
    IMPORT_MODULE,
    IMPORT_NAME,
    IMPORT_SLOT,
    IMPORT_SLOT_INSTANCE,
    INSTANCE_MEMORY_PAGES,
    KIND_FUNCTION,
    KIND_GLOBAL,
    NONE,
    TABLE_MAX,
    TABLE_MIN,
    TABLE_TYPE,
)
from .xip.raw import add

_KINDS = ("function", "table", "memory", "global")


# What each import is given, in the module's order; before anything is allocated.
def find(module, imports, instance):
    found = []
    for record in module.import_records():
        from_module, name = module.string(record + IMPORT_MODULE), module.string(record + IMPORT_NAME)
        given, value = _find(imports, from_module, name)
        kind, index = module.word(record + IMPORT_KIND), module.word(record + IMPORT_INDEX)
        if kind == KIND_FUNCTION and value is None and from_module == "env":
            from .host.app_heap import bound

            value = bound(instance, name)
        if value is None and not (given and kind == KIND_GLOBAL and chr(global_type(module, index) & 255) in "px"):
            described = "function " + module.function_type(index) if kind == KIND_FUNCTION else _KINDS[kind]
            raise LinkError("unknown import %s.%s (%s) is missing" % (from_module, name, described))
        found.append(value)
    return found


def resolve(instance, values):
    module = instance.module
    found, kinds = [], bytearray()
    for record, value in zip(module.import_records(), values):
        kind, index = module.word(record + IMPORT_KIND), module.word(record + IMPORT_INDEX)
        what = "import " + module.import_name(index, kind)
        if isinstance(value, (Function, Global, Memory, Table)):
            _check_provider(instance, value.instance, what)
        if kind == KIND_FUNCTION:
            letters = module.function_type(index)
            value = _function(instance, index, letters, module.word(record + IMPORT_SLOT), value, what)
            kinds.append(import_kind(letters))
            found.append((value, letters) if kinds[-1] == KIND_OTHER else value)
        else:
            (_table, _memory, _global)[kind - 1](instance, index, value, what)
    instance.imports = tuple(found)
    instance.kinds = bytes(kinds)


# Whether there is such a thing, and it. imports: {module: {name: value}}; an instance stands for its exports.
def _find(imports, from_module, name):
    names = imports.get(from_module)
    if names is None:
        return False, None
    if hasattr(names, "lookup"):
        value = names.lookup(name)
        return value is not None, value
    return name in names, names.get(name)


def _wrong(what, wanted, value):
    given = value if isinstance(value, str) else type(value).__name__
    _incompatible("%s must be %s, %s given" % (what, wanted, given))


def _incompatible(text):
    raise LinkError("incompatible import type: " + text)


# Code of one image calls another's: they must agree on registers.
def _check_provider(instance, provider, what):
    if provider.runtime is not instance.runtime or not provider.block:
        raise LinkError("%s: its instance is of another runtime, or was destroyed" % what)
    if provider.module.word(IMAGE_ARCH) != instance.module.word(IMAGE_ARCH):
        raise LinkError("%s: its module was built for another CPU; build both for this board" % what)
    if provider not in instance.providers:
        instance.providers += (provider,)


# What Python is to call, None: compiled code calls the other instance's function itself.
def _function(instance, index, letters, slot, value, what):
    module = instance.module
    if isinstance(value, Function):
        owner = value.instance
        given = owner.module.function_type(value.index)
        if owner.module.function_hash(value.index) != module.function_hash(index) or given != letters:
            _wrong(what, "a function " + letters, given)
        low, high = function_words(owner, value.index)
        instance.put(slot, low)
        instance.put(slot - IMPORT_SLOT_INSTANCE, high)
        return None
    if not callable(value):
        _wrong(what, "a function " + letters, value)
    return value


def _global(instance, index, value, what):
    module, runtime = instance.module, instance.runtime
    wanted = global_type(module, index)
    slot = module.word(module.word(IMAGE_GLOBALS) + index * GLOBAL_SIZE + GLOBAL_SLOT)
    if isinstance(value, Global):
        given = global_type(value.instance.module, value.index)
        if given != wanted:
            _wrong(what, _global_name(wanted), _global_name(given))
        offset = global_offset(value.instance, value.index)
    elif wanted & 256 or not _is_constant(chr(wanted), value):
        _wrong(what, _global_name(wanted), value)
    else:
        offset = runtime.alloc(8, what)
        instance.owned += (offset,)
        store(runtime, chr(wanted), platform.view(add(runtime.base, offset), 8), 0, value, what)
    instance.put_address(slot, runtime.base, offset)


def _is_constant(letter, value):
    if letter == "p":
        return value is None or isinstance(value, Function)
    return letter == "x" or isinstance(value, (int, float))


def _global_name(kind):
    return ("a mutable global " if kind & 256 else "an immutable global ") + name_of(chr(kind & 255))


# Limits as the standard matches them: at least as much, and no more allowed than the importer's maximum.
def _check_limits(what, size, maximum, wanted, wanted_maximum, unit):
    if size < wanted:
        _incompatible("%s must have at least %d %s, it has %d" % (what, wanted, unit, size))
    if wanted_maximum != NONE and (maximum == NONE or maximum > wanted_maximum):
        has = "no maximum" if maximum == NONE else str(maximum)
        _incompatible("%s must have a maximum of %d %s or less, it has %s" % (what, wanted_maximum, unit, has))


def _memory(instance, index, value, what):
    if not isinstance(value, Memory):
        _wrong(what, "a memory of another instance", value)
    owner, module = value.instance.memory_owner, instance.module
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
        _incompatible(
            "%s must have at least %d bytes, it ends at its __heap_base, %d: build its module without exporting "
            "__heap_base and __data_end" % (what, wanted, size)
        )
    share_memory(instance, owner)


def _table(instance, index, value, what):
    if not isinstance(value, Table):
        _wrong(what, "a table of another instance", value)
    owner, i = owner_of(value.instance, value.index)
    module = instance.module
    if table_word(owner.module, i, TABLE_TYPE) != table_word(module, index, TABLE_TYPE):
        _wrong(what, "a table of the other reference type", "one")
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
