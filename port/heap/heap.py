# The global heap in a buffer: what fit.py does, for the runtime, and its faults as errors.
from ..errors import HeapError
from ..platform import address_of as addressof
from ..platform import heaps
from ..xip.raw import peek, poke
from . import fit
from .control import BITS, BLOCKS, CONTROL, FOREIGN, FREED, LISTS, PEAK, SMASHED, TRIES, USED


# (address, size) of a buffer that can be written, or as it was said.
def region_of(buffer):
    if isinstance(buffer, tuple):
        return buffer
    items = memoryview(buffer)
    if len(items):
        try:
            items[0] = items[0]
        except TypeError:
            raise HeapError("%s cannot be written: give a bytearray" % type(buffer).__name__)
    return addressof(buffer), len(items)


# A live heap in a region: its entry among heaps(). One that nobody destroyed lives as long as its first word does:
# a buffer that Python has collected and given out again begins with other bytes.
def heap_in(address, size):
    for entry in heaps()[:]:
        base, end, geometry = entry
        if base < address + size and address < end:
            if peek(base, 0) == geometry:
                return entry
            heaps().remove(entry)


class Heap:
    kind = 0  # ALLOC_WITH_POOL

    # buffer: a bytearray (kept alive here), or (address, size). Offsets count from base; 0 is never a block.
    def __init__(self, buffer):
        address, self.size = region_of(buffer)
        self._buffer = buffer
        skip = -address % 8
        self.base = address + skip
        j = 1
        while self.size >> (j + 2) > 0xFFFF:
            j += 1
        end = (self.size - skip) >> (j + 2)
        last = fit.class_of(max(end - 1, 1))  # 1: no list at all
        self._first = (CONTROL + 2 * (last - 1) + 3 + (4 << j)) >> (j + 2) << (j + 2)
        self.shift = j
        if end - (self._first >> (j + 2)) < 2:
            raise HeapError("a heap of %d bytes is too small: give at least 96" % self.size)
        if heap_in(address, self.size):
            raise HeapError("another runtime has this memory: destroy() it first")
        self.geometry = end | j << 16
        self._entry = self.base, address + self.size, self.geometry
        heaps().append(self._entry)
        fit.init(self.base, self.geometry, self._first >> (j + 2))

    def close(self):
        poke(self.base, 0, 0)
        heaps().remove(self._entry)

    # code: what a function of fit.py gave; given: the offset that it was given.
    def _failed(self, code, given=0):
        what = -code & 7
        self.fault(what, given if what == FOREIGN else -code >> 3 << (self.shift + 2))

    def fault(self, what, offset):
        from .faults import FAULTS

        raise HeapError(FAULTS[what - 1] % offset)

    def alloc(self, size, align=8):
        if not 0 <= size <= self.size:
            return 0
        if align > 8:
            return self._alloc_aligned(size, align)
        offset = fit.alloc(self.base, size, 0)
        if offset < 0:
            self._failed(offset)
        return offset

    # What comes by realloc is likely to grow: it takes the low end of what is free, where nothing else will lie.
    def _alloc_low(self, size):
        offset = fit.alloc(self.base, size, 1)
        if offset < 0:
            self._failed(offset)
        return offset

    def _alloc_aligned(self, size, align):
        peak = self.peak()
        offset = self.alloc(size + align + (8 << self.shift))
        if offset:
            gap = -(self.base + offset) % align
            while 0 < gap < 8 << self.shift:
                gap += align
            if gap:
                front = offset
                offset = fit.split(self.base, offset, gap - 4)
                self.free(front)
            self._trim(offset, size, peak)
        return offset

    # Gives back what a used block has beyond size; peak: as it was before the block got that much.
    def _trim(self, offset, size, peak):
        rest = fit.split(self.base, offset, size)
        if rest:
            self.free(rest)
        poke(self.base, PEAK, max(peak, self.used()))

    # The block's new offset; 0 if there is no room, and then the block is as it was. keep: if it moves, the old one
    # stays until free_kept.
    def realloc(self, offset, size, keep=False):
        have = self.size_of(offset) if offset else 0
        if not 0 <= size <= self.size:
            return 0
        if not offset:
            return self._alloc_low(size)
        peak = self.peak()
        done = size <= have or fit.extend(self.base, offset, size)
        if done < 0:
            self._failed(done)
        if done:
            self._trim(offset, size, peak)
            return offset
        target = self._alloc_low(size)
        if target:
            fit.copy(self.base, target, offset, have)
            if not keep:
                self.free(offset)
        return target

    def free_kept(self, offset):
        self.free(offset)

    def free(self, offset):
        code = fit.free(self.base, offset)
        if code < 0:
            self._failed(code, offset)

    # Bytes that the used block at offset can hold.
    def size_of(self, offset):
        size = fit.block(self.base, offset)
        if size < 8:
            self.fault(FOREIGN, offset)
        if size & 1:
            self.fault(FREED, offset)
        return size & ~3

    # used + free + overhead is size: payload of used blocks, of free ones, headers with all the rest.
    def used(self):
        return peek(self.base, USED)

    def peak(self):
        return peek(self.base, PEAK)

    def overhead(self):
        whole = self.end() << (self.shift + 2)
        return self.size - whole + self._first + 4 * peek(self.base, BLOCKS)

    def free_bytes(self):
        return self.size - self.used() - self.overhead()

    # An alloc of this size succeeds, and one of more does not.
    def largest_free(self):
        c = 61
        while c and not (self.has(c) and fit.head(self.base, c)):
            c -= 1
        if not c:
            return 0
        largest = 0
        u = fit.head(self.base, c)
        for _ in range(TRIES):
            if not u:
                break
            largest = max(largest, self.free_block(u << (self.shift + 2)))
            u = peek(self.base, u << self.shift + 2) & 0xFFFF
        return largest

    def free_block(self, offset):
        size = fit.block(self.base, offset)
        if size < 8 or size & 3 != 1:
            self.fault(LISTS, offset)
        return size & ~3

    # (offset, payload bytes, free) of each block, in order of address.
    def walk(self):
        offset = self._first
        end = self.end() << (self.shift + 2)
        before = 0
        while offset < end:
            size = fit.block(self.base, offset)
            if size < 8 or (size & 2) >> 1 != before or size & 3 == 3:
                self.fault(SMASHED, offset)
            before = size & 1
            size &= ~3
            yield offset, size, bool(before)
            offset += size + 4
        if offset != end or fit.block(self.base, offset) != before << 1:
            self.fault(SMASHED, offset)

    # Verifies every header, list, bit and sum.
    def check(self):
        from .check import check

        check(self)

    def end(self):
        return peek(self.base, 0) & 0xFFFF

    # Whether list c says that it is not empty.
    def has(self, c):
        return bool(peek(self.base, BITS + (c >> 5 << 2)) >> (c & 31) & 1)
