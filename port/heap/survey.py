# What telemetry, tests and errors ask of a heap in a buffer: its methods, too, imported when they are called.
from ..xip.raw import peek
from . import fit
from .control import BITS, BLOCKS, HEADS, LISTS, SMASHED, TRIES


# used + free + overhead is size: payload of used blocks, of free ones, headers with all the rest.
def overhead(heap):
    whole = end(heap) << (heap.shift + 2)
    return heap.size - whole + heap.first + 4 * peek(heap.base, BLOCKS)


def free_bytes(heap):
    return heap.size - heap.used() - overhead(heap)


# An alloc of this size succeeds, and one of more does not.
def largest_free(heap):
    c = 61
    while c and not (has(heap, c) and head(heap, c)):
        c -= 1
    if not c:
        return 0
    largest = 0
    u = head(heap, c)
    for _ in range(TRIES):
        if not u:
            break
        largest = max(largest, free_block(heap, u << (heap.shift + 2)))
        u = peek(heap.base, u << heap.shift + 2) & 0xFFFF
    return largest


def free_block(heap, offset):
    size = fit.block(heap.base, offset)
    if size < 8 or size & 3 != 1:
        heap.fault(LISTS, offset)
    return size & ~3


# Of the block at offset, used or free.
def payload(heap, offset):
    size = fit.block(heap.base, offset)
    if size < 8:
        heap.fault(SMASHED, offset)
    return size & ~3


# (offset, payload bytes, free) of each block, in order of address.
def walk(heap):
    offset = heap.first
    stop = end(heap) << (heap.shift + 2)
    before = 0
    while offset < stop:
        size = fit.block(heap.base, offset)
        if size < 8 or (size & 2) >> 1 != before or size & 3 == 3:
            heap.fault(SMASHED, offset)
        before = size & 1
        size &= ~3
        yield offset, size, bool(before)
        offset += size + 4
    if offset != stop or fit.block(heap.base, offset) != before << 1:
        heap.fault(SMASHED, offset)


def end(heap):
    return peek(heap.base, 0) & 0xFFFF


# Whether list c says that it is not empty.
def has(heap, c):
    return bool(peek(heap.base, BITS + (c >> 5 << 2)) >> (c & 31) & 1)


# The unit of list c's first block.
def head(heap, c):
    at = 2 * (HEADS + c)
    return peek(heap.base, at & ~3) >> 8 * (at & 2) & 0xFFFF
