# Linear memory, as Python and compiled code grow it and Python reads and writes it.
from .. import platform
from ..errors import Error
from ..heap.heap import heap_in, region_of
from ..xip.layout import (
    FLAG_MEMORY_FIXED,
    FLAG_MEMORY_GROWS,
    FLAG_MEMORY_IMPORTED,
    IMAGE_APP_HEAP,
    IMAGE_FLAGS,
    IMAGE_MEMORY_MAX,
    IMAGE_MEMORY_MIN,
    IMAGE_MEMORY_SIZE,
    INSTANCE_MEMORY_BASE,
    INSTANCE_MEMORY_PAGES,
    INSTANCE_MEMORY_SIZE,
    MOST_PAGES,
    PAGE_SIZE,
)
from ..xip.raw import add


def place_memory(instance, offset, size, pages):
    instance.window = None
    instance.put_address(INSTANCE_MEMORY_BASE, instance.runtime.base, offset)
    instance.put(INSTANCE_MEMORY_SIZE, size)
    instance.put(INSTANCE_MEMORY_PAGES, pages)


# What instantiate was asked for linear memory.
#   heap_size: bytes of the app heap; initial, maximum: pages, None: the module's
#   region: a bytearray (kept alive here) or (address, size) that it is to lie in, None: the global heap
class MemoryPlan:
    def __init__(self, module, heap_size=0, initial=None, maximum=None, region=None):
        flags, pages = module.word(IMAGE_FLAGS), module.word(IMAGE_MEMORY_MIN)
        self.grows = bool(flags & FLAG_MEMORY_GROWS)
        self.fixed = flags & FLAG_MEMORY_FIXED
        if not 0 <= heap_size < 1 << 30:
            raise Error("heap_size is %d, it must be 0 to %d" % (heap_size, (1 << 30) - 1))
        # an app heap lies in a memory of one's own
        self.heap_size = 0 if flags & FLAG_MEMORY_IMPORTED else (heap_size + 7) & ~7
        self.keeper = region
        self.region = None if region is None else _free_region(module.runtime, region)
        self.maximum = _maximum(module, pages, maximum)
        if initial is None or initial == pages:
            initial = pages
        elif not self.grows or not pages <= initial <= self.maximum:
            raise Error("the memory has %d pages at first and at most %d" % (pages, self.maximum))
        # the app heap comes last: in what the compiler kept for it, in whole pages of a memory that grows
        kept = module.word(IMAGE_APP_HEAP)
        self.size = module.word(IMAGE_MEMORY_SIZE) + (initial - pages) * PAGE_SIZE - kept
        self.pages = initial
        extra = self.heap_size
        if self.fixed:
            if extra > kept:
                raise Error(
                    "heap_size is %d, the image has room for an app heap of %d: build it with --heap-size %d"
                    % (heap_size, kept, heap_size)
                )
            extra = kept
        elif self.grows:
            extra = (extra + PAGE_SIZE - 1) & -PAGE_SIZE
            self.pages += extra // PAGE_SIZE
            if self.pages > self.maximum:
                raise Error("an app heap of %d pages does not fit: at most %d" % (extra // PAGE_SIZE, self.maximum))
        self.heap_start = self.size
        self.size += extra

    # A block of the region, as an offset from the heap's base.
    def place(self, runtime, size, what):
        if self.region is None and not self.grows:
            return runtime.alloc(size, what)
        offset = self.resize(runtime, 0, size)
        if not offset:
            if self.region is None:
                runtime.out_of_heap(size, what)
            raise Error("%s needs a region of %d bytes at a multiple of 8" % (what, size))
        return offset

    # The block with another size, perhaps elsewhere, and then the old one is kept; 0: no room.
    def resize(self, runtime, block, size):
        if self.region is None:
            return runtime.heap.realloc(block, size, True)
        address, have = self.region
        return 0 if have < size or address & 7 else address - runtime.base


# (address, size) of a region that no heap and no other instance's memory lies in.
def _free_region(runtime, region):
    address, size = region_of(region)
    if heap_in(address, size):
        raise Error("memory=: a runtime's heap is there")
    for other in runtime.instances:
        if other is not None and other.plan.region is not None:
            start, length = other.plan.region
            if start < address + size and address < start + length:
                raise Error("memory=: the linear memory of another instance is there")
    return address, size


def _maximum(module, pages, maximum):
    limit = module.word(IMAGE_MEMORY_MAX)
    limit = min(limit, MOST_PAGES)  # NONE is more, too
    if maximum is None:
        return limit
    if not pages <= maximum <= limit:
        raise Error("max_memory is %d pages; the module allows %d to %d" % (maximum, pages, limit))
    return maximum


# At instantiation: in the instance's block, apart where it can grow; an import's comes with its owner.
def allocate_memory(instance, plan):
    module, runtime = instance.module, instance.runtime
    if module.word(IMAGE_FLAGS) & FLAG_MEMORY_IMPORTED:
        return
    offset = instance.pointer
    if not plan.fixed:
        offset = 0
        if plan.size:
            offset = plan.place(runtime, plan.size, "linear memory")
            instance.memory_block = offset
            platform.fill(add(runtime.base, offset), plan.size, 0)
    place_memory(instance, offset, plan.size, plan.pages)


def share_memory(instance, owner):
    instance.memory_owner = owner
    place_memory(instance, owner.memory_offset(), owner.memory_size(), owner.get(INSTANCE_MEMORY_PAGES))
