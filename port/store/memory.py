# Linear memory, as Python and compiled code grow it and Python reads and writes it.
from ..errors import Error
from ..xip.layout import (
    FLAG_MEMORY_BYTES,
    IMAGE_FLAGS,
    INSTANCE_MEMORY_BASE,
    INSTANCE_MEMORY_PAGES,
    INSTANCE_MEMORY_SIZE,
    PAGE_SIZE,
)


# Bytes of what linear memory is counted in.
def page_size(module):
    return 1 if module.word(IMAGE_FLAGS) & FLAG_MEMORY_BYTES else PAGE_SIZE


def place_memory(instance, offset, size, pages):
    instance.window = None
    instance.put_address(INSTANCE_MEMORY_BASE, instance.runtime.base, offset)
    instance.put(INSTANCE_MEMORY_SIZE, size)
    instance.put(INSTANCE_MEMORY_PAGES, pages)


# What instantiate was asked for linear memory; plan.py fills it in.
class MemoryPlan:
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
