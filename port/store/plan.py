# Linear memory at instantiation: let go when an instance is made.
from .. import platform
from ..errors import Error
from ..heap.heap import heap_in, region_of
from ..xip.layout import (
    FLAG_MEMORY_FIXED,
    FLAG_MEMORY_GROWS,
    FLAG_MEMORY_IMPORTED,
    FLAG_MEMORY_WINDOW,
    FLAGS_FAR_SHIFT,
    IMAGE_APP_HEAP,
    IMAGE_FLAGS,
    IMAGE_MEMORY_MAX,
    IMAGE_MEMORY_MIN,
    IMAGE_MEMORY_SIZE,
    MOST_PAGES,
    PAGE_SIZE,
)
from ..xip.raw import add
from .memory import MemoryPlan, page_size, place_memory


# heap_size: bytes of the app heap; initial, maximum: pages, None: the module's
# region: a bytearray (kept alive here) or (address, size) that it is to lie in, None: the global heap
def plan_memory(module, heap_size, initial, maximum, region):
    plan, unit = MemoryPlan(), page_size(module)
    flags, pages = module.word(IMAGE_FLAGS), module.word(IMAGE_MEMORY_MIN)
    plan.grows = bool(flags & FLAG_MEMORY_GROWS)
    plan.fixed = flags & FLAG_MEMORY_FIXED
    if not 0 <= heap_size < 1 << 30:
        raise Error("heap_size is %d, it must be 0 to %d" % (heap_size, (1 << 30) - 1))
    # an app heap lies in a memory of one's own
    plan.heap_size = 0 if flags & FLAG_MEMORY_IMPORTED else (heap_size + 7) & ~7
    plan.keeper = region
    if region is not None and flags & FLAG_MEMORY_WINDOW:
        raise Error("memory=: the image was built with a window, whose far pages come from the global heap")
    plan.region = None if region is None else _free_region(module.runtime, region)
    plan.maximum = _maximum(module, pages, maximum)
    if initial is None or initial == pages:
        initial = pages
    elif not plan.grows or not pages <= initial <= plan.maximum:
        raise Error("the memory has %d pages at first and at most %d" % (pages, plan.maximum))
    # the app heap comes last: in what the compiler kept for it, in whole pages of a memory that grows
    kept = 0 if flags & FLAG_MEMORY_WINDOW else module.word(IMAGE_APP_HEAP)
    plan.size = module.word(IMAGE_MEMORY_SIZE) + (initial - pages) * unit - kept
    plan.pages = initial
    extra = plan.heap_size
    if extra:
        extra += -plan.size & 7
    if plan.fixed:
        if extra > kept:
            raise Error(
                "heap_size is %d, the image has room for an app heap of %d: build it with --heap-size %d"
                % (heap_size, kept, heap_size)
            )
        extra = kept
    elif plan.grows:
        extra = (extra + unit - 1) & -unit
        plan.pages += extra // unit
        if plan.pages > plan.maximum:
            raise Error("an app heap of %d pages does not fit: at most %d" % (extra // unit, plan.maximum))
    elif flags & FLAG_MEMORY_WINDOW:
        page = 1 << (flags >> FLAGS_FAR_SHIFT & 15)
        extra = (extra + page - 1) & -page
    plan.heap_start = (plan.size + 7) & ~7
    plan.size += extra
    return plan


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
    limit = min(limit, MOST_PAGES * PAGE_SIZE // page_size(module))  # NONE is more, too
    if maximum is None:
        return limit
    if not pages <= maximum <= limit:
        raise Error("max_memory is %d pages; the module allows %d to %d" % (maximum, pages, limit))
    return maximum


# In the instance's block, apart where it can grow; an import's comes with its owner.
def allocate_memory(instance, plan):
    module = instance.module
    if module.word(IMAGE_FLAGS) & FLAG_MEMORY_IMPORTED:
        return
    offset = instance.pointer
    if module.word(IMAGE_FLAGS) & FLAG_MEMORY_WINDOW:
        from .far import prepare

        prepare(instance)
    elif not plan.fixed:
        offset = apart(instance, plan)
    place_memory(instance, offset, plan.size, plan.pages)


# A block for a memory that can move.
def apart(instance, plan):
    if plan.size:
        instance.memory_block = plan.place(instance.runtime, plan.size, "linear memory")
        platform.fill(add(instance.runtime.base, instance.memory_block), plan.size, 0)
    return instance.memory_block
