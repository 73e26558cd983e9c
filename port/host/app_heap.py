# Memory for the host inside linear memory: the app heap, or the module's own allocator.
#
# The app heap's bytes are the module's to overwrite, so nothing that the host trusts is kept among them: which
# parts are free and which are used stands in lists on Python's side.
from ..errors import Error
from ..xip.layout import KIND_FUNCTION

# What a module that is to have the app heap imports from "env".
ENV = ("malloc", "calloc", "realloc", "free")
# Exports of AssemblyScript's runtime: allocate, keep, let go; by version.
_SCRIPT = (("__new", "__pin", "__unpin"), ("__new", "__retain", "__release"), ("__new", None, "__release"))


# Whether the module has a heap of its own that the host can use, as WAMR finds it.
def exports_allocator(module):
    def has(*names):
        return all([(module.find_export(name) or (None,))[0] == KIND_FUNCTION for name in names])

    return has("malloc", "free") or has("__new", "__unpin") or has("__new", "__release")


class AppHeap:
    # start, size: in linear memory
    def __init__(self, memory, start, size):
        self.memory = memory
        self.start = (start + 7) & ~7
        self.size = (start + size - self.start) & ~7
        self.free_parts = [(self.start, self.size)] if self.size else []  # in order of address, none adjacent
        self.used_parts = {}
        self.used = self.peak = 0

    # First fit; 0: no room.
    def malloc(self, size):
        size = (size + 7) & ~7 or 8
        parts = self.free_parts
        for i in range(len(parts)):
            at, length = parts[i]
            if length >= size:
                if length == size:
                    del parts[i]
                else:
                    parts[i] = at + size, length - size
                self.used_parts[at] = size
                self.used += size
                self.peak = max(self.peak, self.used)
                return at
        return 0

    def free(self, at):
        if not at:
            return
        size = self.used_parts.pop(at, 0)
        if not size:
            raise Error("no block of the app heap at %d: freed already, or not from it" % at)
        self.used -= size
        parts, i = self.free_parts, 0
        while i < len(parts) and parts[i][0] < at:
            i += 1
        if i < len(parts) and at + size == parts[i][0]:
            size += parts.pop(i)[1]
        if i and parts[i - 1][0] + parts[i - 1][1] == at:
            at, before = parts.pop(i - 1)
            size += before
            i -= 1
        parts.insert(i, (at, size))

    # The block's new place; 0: no room, and then the block is as it was.
    def realloc(self, at, size):
        if not at:
            return self.malloc(size)
        had = self.used_parts.get(at, 0)
        if not had:
            raise Error("no block of the app heap at %d: freed already, or not from it" % at)
        new = self.malloc(size)
        if new:
            self.memory.write(new, self.memory.read(at, min(had, size)))
            self.free(at)
        return new

    def calloc(self, count, size):
        at = self.malloc(count * size)
        if at:
            self.memory.write(at, bytes(count * size))
        return at

    def largest_free(self):
        return max([length for _, length in self.free_parts] + [0])


# env.malloc and its like for an instance that was given none; None: it is none of them.
def bound(instance, name):
    if name not in ENV:
        return None

    def call(*arguments):
        heap = instance.app_heap
        if heap is None:
            raise Error("the module imports env.%s: instantiate it with a heap_size" % name)
        return getattr(heap, name)(*[a & 0xFFFFFFFF for a in arguments])

    return call


# The module's own, None: it has none of that name. Raises Error where it is running.
def _exported(instance, *names):
    if instance.runtime.busy():
        from .allocating import check

        check(instance)
    return [name and instance.lookup_function(name) for name in names]


def _script(instance):
    for names in _SCRIPT:
        if all([name is None or instance.lookup_function(name) for name in names]):
            return _exported(instance, *names)


# The methods of an instance, with WAMR's names. Places in linear memory; 0: no room.
class ModuleHeap:
    def module_malloc(self, size):
        if self.alive().app_heap is not None:
            return self.app_heap.malloc(size)
        malloc, free = _exported(self, "malloc", "free")
        if malloc and free:
            return malloc(size) & 0xFFFFFFFF
        script = _script(self)
        if script:
            at = script[0](size, 0) & 0xFFFFFFFF
            if at and script[1]:
                script[1](at)
            return at
        raise Error("no app heap (heap_size is 0), and the module exports neither malloc and free nor __new")

    def module_free(self, at):
        if self.alive().app_heap is not None:
            self.app_heap.free(at)
            return
        malloc, free = _exported(self, "malloc", "free")
        if not (malloc and free):
            script = _script(self)
            if not script:
                raise Error("no app heap (heap_size is 0), and the module exports no allocator")
            free = script[2]
        if at:
            free(at)

    def module_realloc(self, at, size):
        if self.alive().app_heap is not None:
            return self.app_heap.realloc(at, size)
        (realloc,) = _exported(self, "realloc")
        if not realloc:
            raise Error("the module does not export realloc")
        return realloc(at, size) & 0xFFFFFFFF

    def module_dup_data(self, data):
        at = self.module_malloc(len(data))
        if at:
            self.memory.write(at, data)
        return at
