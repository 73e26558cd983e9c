# Linear memory, as Python and compiled code grow it and Python reads and writes it.
from . import platform
from .errors import Error, OutOfHeap
from .xip.layout import (
    FLAG_MEMORY_FIXED,
    FLAG_MEMORY_IMPORTED,
    IMAGE_FLAGS,
    IMAGE_MEMORY_MAX,
    IMAGE_MEMORY_MIN,
    IMAGE_MEMORY_SIZE,
    INSTANCE_MEMORY_BASE,
    INSTANCE_MEMORY_PAGES,
    INSTANCE_MEMORY_SIZE,
    NONE,
)
from .xip.raw import add

_PAGE = 65536


def _place(instance, offset, size, pages):
    instance.put_address(INSTANCE_MEMORY_BASE, instance.runtime.base, offset)
    instance.put(INSTANCE_MEMORY_SIZE, size)
    instance.put(INSTANCE_MEMORY_PAGES, pages)


# At instantiation: in the instance's block, apart where it can grow; an import's comes with its owner.
def allocate_memory(instance):
    module, runtime = instance.module, instance.runtime
    flags, size = module.word(IMAGE_FLAGS), module.word(IMAGE_MEMORY_SIZE)
    if flags & FLAG_MEMORY_IMPORTED:
        return
    offset = instance.pointer
    if not flags & FLAG_MEMORY_FIXED:
        offset = 0
        if size:
            offset = instance.memory_block = runtime.alloc(size, "linear memory")
            platform.fill(add(runtime.base, offset), size, 0)
    _place(instance, offset, size, module.word(IMAGE_MEMORY_MIN))


def share_memory(instance, owner):
    instance.memory_owner = owner
    _place(instance, owner.memory_offset(), owner.memory_size(), owner.get(INSTANCE_MEMORY_PAGES))


# Pages before, -1: refused.
def grow(instance, pages):
    owner, runtime = instance.memory_owner, instance.runtime
    module = owner.module
    old = owner.get(INSTANCE_MEMORY_PAGES)
    if not pages:
        return old
    limit = module.word(IMAGE_MEMORY_MAX)
    limit = _PAGE if limit == NONE else limit
    if module.word(IMAGE_FLAGS) & FLAG_MEMORY_FIXED or old + pages > limit:
        return -1
    size, had = (old + pages) * _PAGE, owner.memory_size()
    offset = runtime.heap.realloc(owner.memory_block, size)
    if not offset:
        return -1
    owner.memory_block = offset
    platform.fill(add(runtime.base, offset + had), size - had, 0)
    for other in runtime.instances:
        if other is not None and other.memory_owner is owner:
            _place(other, offset, size, old + pages)
    return old


class Memory:
    def __init__(self, instance):
        self.instance = instance

    @property
    def size(self):
        return self.instance.memory_size()

    @property
    def pages(self):
        return self.instance.get(INSTANCE_MEMORY_PAGES)

    def __len__(self):
        return self.size

    # Pages before.
    def grow(self, pages):
        old = grow(self.instance, pages)
        if old < 0:
            raise OutOfHeap("linear memory cannot grow by %d pages: its limit, or the global heap's" % pages)
        return old

    # The bytes where they are; not to be kept over anything that may grow memory.
    def view(self, start, length):
        instance = self.instance
        if not instance.block:
            raise Error("the instance was destroyed")
        if start < 0 or length < 0 or start + length > self.size:
            raise IndexError("%d bytes at %d: linear memory has %d" % (length, start, self.size))
        return memoryview(platform.view(add(instance.runtime.base, instance.memory_offset() + start), length))

    def read(self, start, length):
        return bytes(self.view(start, length))

    def write(self, start, data):
        self.view(start, len(data))[:] = data

    def __getitem__(self, key):
        if isinstance(key, int):
            return self.view(key, 1)[0]
        start, stop = _bounds(key, self.size)
        return bytes(self.view(start, stop - start))

    def __setitem__(self, key, value):
        if isinstance(key, int):
            self.view(key, 1)[0] = value
            return
        start, stop = _bounds(key, self.size)
        if stop - start != len(value):
            raise ValueError("%d bytes assigned to %d of linear memory" % (len(value), stop - start))
        self.view(start, stop - start)[:] = value


# Firmware without slice attributes still prints them.
def _bounds(key, size):
    start, stop, step = [None if x == "None" else int(x) for x in str(key)[6:-1].split(", ")]
    if step not in (None, 1):
        raise ValueError("linear memory has no steps other than 1")
    start = 0 if start is None else start
    stop = size if stop is None else stop
    if start > stop:
        raise IndexError("linear memory from %d to %d" % (start, stop))
    return start, stop
