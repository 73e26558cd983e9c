# Imports: found by name, checked against what the module says, written into the instance's slots; let go when the
# instance is made. Those that are no functions have a file of their own, link_shared.py.
from .errors import LinkError, wrong
from .platform.kinds import KIND_OTHER
from .run.enter import import_kind
from .run.handles import Function, Handle
from .store.table import function_words
from .store.variables import global_type
from .xip.layout import (
    IMAGE_ARCH,
    IMPORT_INDEX,
    IMPORT_KIND,
    IMPORT_MODULE,
    IMPORT_NAME,
    IMPORT_SLOT,
    IMPORT_SLOT_INSTANCE,
    KIND_FUNCTION,
    KIND_GLOBAL,
    KIND_MEMORY,
)

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
    found = []
    for record, value in zip(module.import_records(), values):
        kind, index = module.word(record + IMPORT_KIND), module.word(record + IMPORT_INDEX)
        what = "import " + module.import_name(index, kind)
        if isinstance(value, Handle):
            _check_provider(instance, value.instance, what, kind)
        if kind == KIND_FUNCTION:
            letters = module.function_type(index)
            value = _function(instance, index, letters, module.word(record + IMPORT_SLOT), value, what)
            kind = import_kind(letters)
            found += (kind, (value, letters) if kind >= KIND_OTHER else value)
        else:
            from . import link_shared

            (link_shared.table, link_shared.memory, link_shared.variable)[kind - 1](instance, index, value, what)
    instance.imports = tuple(found)


# Whether there is such a thing, and it. imports: {module: {name: value}}; for the names an instance or its exports.
def _find(imports, from_module, name):
    _check_names(imports, "imports")
    names = imports.get(from_module)
    if names is None:
        return False, None
    names = getattr(names, "_instance", names)
    if hasattr(names, "lookup"):
        value = names.lookup(name)
        return value is not None, value
    _check_names(names, "imports[%r]" % from_module)
    return name in names, names.get(name)


def _check_names(value, what):
    if not isinstance(value, dict):
        raise TypeError("%s must be a dictionary or an instance, not %s" % (what, type(value).__name__))


# Code of one image calls another's: they must agree on registers.
def _check_provider(instance, provider, what, kind):
    if provider.runtime is not instance.runtime or not provider.block:
        raise LinkError("%s: its instance is of another runtime, or was destroyed" % what)
    if provider.module.word(IMAGE_ARCH) != instance.module.word(IMAGE_ARCH):
        raise LinkError("%s: its module was built for another CPU; build both for this board" % what)
    # of a memory, Instance.memory_owner is who gives it: nothing of who gives that alone is on an operand stack
    if provider not in instance.providers and kind != KIND_MEMORY:
        instance.providers += (provider,)


# What Python is to call, None: compiled code calls the other instance's function itself.
def _function(instance, index, letters, slot, value, what):
    module = instance.module
    if isinstance(value, Function):
        owner = value.instance
        given = owner.module.function_type(value.index)
        if owner.module.function_hash(value.index) != module.function_hash(index) or given != letters:
            wrong(what, "a function " + letters, given)
        low, high = function_words(owner, value.index)
        instance.put(slot, low)
        instance.put(slot - IMPORT_SLOT_INSTANCE, high)
        return None
    if not callable(value):
        wrong(what, "a function " + letters, value)
    return value
