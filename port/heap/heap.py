# The global heap in a buffer: what fit.py does, for the runtime, and its faults as errors.
from ..errors import HeapError
from ..platform import address_of as addressof
from ..platform import heaps, view
from ..xip.raw import peek, poke
from . import fit
from .control import CONTROL, FOREIGN, FREED, PEAK, USED


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
        self.first = (CONTROL + 2 * (last - 1) + 3 + (4 << j)) >> (j + 2) << (j + 2)
        self.shift = j
        if end - (self.first >> (j + 2)) < 2:
            raise HeapError("a heap of %d bytes is too small: give at least 96" % self.size)
        if heap_in(address, self.size):
            raise HeapError("another runtime has this memory: destroy() it first")
        self.geometry = end | j << 16
        self._entry = self.base, address + self.size, self.geometry
        heaps().append(self._entry)
        fit.init(self.base, self.geometry, self.first >> (j + 2))
        fit.free(self.base, self.first, 0)

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
        done = size <= have or fit.free(self.base, offset, size)
        if done < 0:
            self._failed(done)
        if done:
            self._trim(offset, size, peak)
            return offset
        target = self._alloc_low(size)
        if target:
            view(self.base + target, have)[:] = view(self.base + offset, have)
            if not keep:
                self.free(offset)
        return target

    def free_kept(self, offset):
        self.free(offset)

    def free(self, offset):
        code = fit.free(self.base, offset, 0)
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

    # Payload bytes of used blocks.
    def used(self):
        return peek(self.base, USED)

    def peak(self):
        return peek(self.base, PEAK)

    # Verifies every header, list, bit and sum.
    def check(self):
        from .check import check

        check(self)

    # Few programs look closer.
    def __getattr__(self, name):
        from . import survey

        method = getattr(survey, name)
        return lambda *arguments: method(self, *arguments)
