# Every header, list, bit and sum of a heap, verified. Imported when asked for.
from ..errors import HeapError
from ..xip.raw import peek
from . import fit
from .control import BLOCKS, LISTS, SMASHED
from .survey import end, free_block, has, head


def check(heap):
    if peek(heap.base, 0) != heap.geometry:
        raise HeapError("the heap's first word was overwritten")
    used = blocks = loose = 0
    for offset, size, free in heap.walk():
        blocks += 1
        if not free:
            used += size
            continue
        loose += 1
        if peek(heap.base, offset + size - 4) != _units(heap, size):
            heap.fault(SMASHED, offset)
    if blocks != peek(heap.base, BLOCKS) or used != heap.used() or used > heap.peak():
        raise HeapError("the heap's counters were overwritten")
    for c in range(2, fit.class_of(end(heap) - 1) + 1):
        loose -= _check_list(heap, c)
    if loose:
        raise HeapError("the heap's free lists were overwritten")


def _units(heap, size):
    return size + 4 >> heap.shift + 2


# How many blocks list c has.
def _check_list(heap, c):
    u = head(heap, c)
    count = before = 0
    if bool(u) != has(heap, c):
        raise HeapError("the heap's free lists were overwritten")
    while u:
        offset = u << heap.shift + 2
        links = peek(heap.base, offset) if u < end(heap) else 0
        size = free_block(heap, offset)
        if fit.class_of(_units(heap, size)) != c or links >> 16 & 0xFFFF != before:
            heap.fault(LISTS, offset)
        before, u = u, links & 0xFFFF
        count += 1
    return count
