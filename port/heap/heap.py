# The global heap: a two-level segregated fit that lives wholly inside the buffer it manages.
#
# The buffer is counted in units (8 bytes up to 512 KiB; 16 up to 1 MiB, and so on, so that a unit's number
# fits in 16 bits). A block is known by the unit u of its payload; its header is the word before it:
#   bits 0 free, 1 previous block is free, 2..17 units to the next block's payload, 18..31 check
# The check is a sum over the other bits and u, so a smashed header, an address inside a block and an address
# from elsewhere do not pass. A free block also has its links, next | previous << 16, in its first payload
# word and its size in units in its last. No two free blocks are neighbours. The last header is a sentinel
# of size 0. Control words, from the start of the buffer (aligned to 8):
#   0 end (the sentinel's unit) | (log2(unit) - 2) << 16    1 used bytes    2 peak    3 number of blocks
#   4, 5 one bit for each list that is not empty            6.. 16-bit heads of the lists of class 2, 3 ..
# Class of n units: n below 8, then four classes to each power of two.
#
# Viper functions take the buffer's address and give an offset, 0 or a negative fault. Each verifies what it
# is about to follow; none calls another, and none has a loop longer than 16 rounds (but _copy).
import micropython
from micropython import const

from ..errors import Error
from ..platform import address_of as addressof
from ..platform import heaps

_HEADS = const(10)  # head of class c: 16-bit word _HEADS + c
_CONTROL = const(24)  # bytes before the heads
_KEY = const(0x2A5)
_TRIES = const(4)  # blocks of the size's own class that are looked at

_SMASHED = const(1)
_FREED = const(2)
_FOREIGN = const(3)
_LISTS = const(4)

_FAULTS = (
    "block at %d: its boundary was overwritten",
    "block at %d is freed already",
    "no block at %d: freed already, or not from this heap",
    "block at %d: its free list was overwritten",
)


class HeapError(Error):
    pass


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
            if _get(base, 0) == geometry:
                return entry
            heaps().remove(entry)


@micropython.viper
def _init(base: uint, geometry: int, first: int):
    p = ptr32(base)
    end = geometry & 0xFFFF
    j = geometry >> 16
    i = (first << j) - 1
    while i:
        i -= 1
        p[i] = 0
    p[0] = geometry
    p[3] = 1
    # one free block and the sentinel
    n = end - first
    w = (n << 2) | 1
    p[(first << j) - 1] = w | ((w * 5 + (w >> 9) + first * 37 + _KEY) & 0x3FFF) << 18
    p[(end << j) - 1] = 2 | ((10 + end * 37 + _KEY) & 0x3FFF) << 18
    p[(end << j) - 2] = n
    p[first << j] = 0
    f = 0
    while (n >> f) > 7:
        f += 1
    c = (f << 2) + (n >> f)
    h = ptr16(base)
    h[_HEADS + c] = first
    if c < 32:
        p[4] = 1 << c
    else:
        p[5] = 1 << (c - 32)


# low: whether to take the low end of a free block that is larger, or the high one.
@micropython.viper
def _alloc(base: uint, size: int, low: int) -> int:
    p = ptr32(base)
    heads = ptr16(base)
    end = p[0] & 0xFFFF
    j = p[0] >> 16
    n = (size + 3 + (4 << j)) >> (j + 2)
    if n < 2:
        n = 2
    if n >= end:
        return 0
    f = 0
    while (n >> f) > 7:
        f += 1
    c = (f << 2) + (n >> f)
    # a block that fits among the first of its own class, or else any of a larger class
    u = heads[_HEADS + c]
    t = _TRIES
    while u:
        if u >= end:
            return 0 - (u << 3 | _LISTS)
        if ((p[(u << j) - 1] >> 2) & 0xFFFF) >= n:
            break
        u = p[u << j] & 0xFFFF
        t -= 1
        if t == 0:
            u = 0
    if u == 0:
        c += 1
        b = 0
        if c < 32:
            b = p[4] >> c
        if b == 0:
            if c < 32:
                c = 32
            b = p[5] >> (c - 32)
            if b == 0:
                return 0
        if (b & 0xFFFF) == 0:
            b >>= 16
            c += 16
        if (b & 0xFF) == 0:
            b >>= 8
            c += 8
        if (b & 0xF) == 0:
            b >>= 4
            c += 4
        if (b & 3) == 0:
            b >>= 2
            c += 2
        c += (b & 1) ^ 1
        u = heads[_HEADS + c]
        if u == 0 or u >= end:
            return 0 - (u << 3 | _LISTS)
    i = u << j
    w = p[i - 1] & 0x3FFFF
    m = w >> 2
    if ((p[i - 1] >> 18) ^ (w * 5 + (w >> 9) + u * 37 + _KEY)) & 0x3FFF or (w & 3) != 1 or m < n or u + m > end:
        return 0 - (u << 3 | _SMASHED)
    # unlink it
    x = p[i] & 0xFFFF
    y = (p[i] >> 16) & 0xFFFF
    if x >= end or y >= end:
        return 0 - (u << 3 | _LISTS)
    if x:
        if ((p[x << j] >> 16) & 0xFFFF) != u:
            return 0 - (x << 3 | _LISTS)
        p[x << j] = (p[x << j] & 0xFFFF) | y << 16
    if y:
        p[y << j] = (p[y << j] & -0x10000) | x
    else:
        heads[_HEADS + c] = x
        if x == 0:
            if c < 32:
                p[4] = p[4] ^ (1 << c)
            else:
                p[5] = p[5] ^ (1 << (c - 32))
    k = 0
    if m - n >= 2:
        # the rest stays free
        m -= n
        v = u + n
        if low == 0:
            v = u
            u += m
            k = 2
        w = (m << 2) | 1
        p[(v << j) - 1] = w | ((w * 5 + (w >> 9) + v * 37 + _KEY) & 0x3FFF) << 18
        p[((v + m) << j) - 2] = m
        f = 0
        while (m >> f) > 7:
            f += 1
        c = (f << 2) + (m >> f)
        x = heads[_HEADS + c]
        if x >= end:
            return 0 - (x << 3 | _LISTS)
        if x:
            p[x << j] = (p[x << j] & 0xFFFF) | v << 16
        elif c < 32:
            p[4] = p[4] | 1 << c
        else:
            p[5] = p[5] | 1 << (c - 32)
        heads[_HEADS + c] = v
        p[v << j] = x
        p[3] = p[3] + 1
    else:
        n = m
        low = 0
    if low == 0:
        # what comes next has no free block before it any more: bit 1 goes, and what it adds to the check
        i = ((u + n) << j) - 1
        p[i] = p[i] - (10 << 18 | 2)
    w = n << 2 | k
    p[(u << j) - 1] = w | ((w * 5 + (w >> 9) + u * 37 + _KEY) & 0x3FFF) << 18
    p[1] = p[1] + (n << (j + 2)) - 4
    if p[1] > p[2]:
        p[2] = p[1]
    return u << (j + 2)


@micropython.viper
def _free(base: uint, offset: int) -> int:
    p = ptr32(base)
    heads = ptr16(base)
    end = p[0] & 0xFFFF
    j = p[0] >> 16
    u = offset >> (j + 2)
    if offset <= _CONTROL or u >= end or (u << (j + 2)) != offset:
        return 0 - (1 << 3 | _FOREIGN)
    w = p[(u << j) - 1] & 0x3FFFF
    n = w >> 2
    if ((p[(u << j) - 1] >> 18) ^ (w * 5 + (w >> 9) + u * 37 + _KEY)) & 0x3FFF or n < 2 or u + n > end:
        return 0 - (u << 3 | _FOREIGN)
    if w & 1:
        return 0 - (u << 3 | _FREED)
    used = (n << (j + 2)) - 4
    joined = 0
    # first the next block, then the previous one; m: its size, t: its unit
    k = 2
    while k:
        k -= 1
        if k:
            t = u + n
        else:
            if (w & 2) == 0:
                break
            m = p[(u << j) - 2] & 0xFFFF
            t = u - m
            if t < 1:
                return 0 - (u << 3 | _SMASHED)
        q = p[(t << j) - 1] & 0x3FFFF
        if ((p[(t << j) - 1] >> 18) ^ (q * 5 + (q >> 9) + t * 37 + _KEY)) & 0x3FFF or q & 2:
            return 0 - (t << 3 | _SMASHED)
        if k:
            if (q & 1) == 0:
                # in use (or the sentinel): tell it that its neighbour is free, below
                joined = q | 4 << 18
                continue
            m = q >> 2
            if t + m > end:
                return 0 - (t << 3 | _SMASHED)
        elif q != ((m << 2) | 1):
            return 0 - (t << 3 | _SMASHED)
        x = p[t << j] & 0xFFFF
        y = (p[t << j] >> 16) & 0xFFFF
        if x >= end or y >= end:
            return 0 - (t << 3 | _LISTS)
        if x:
            if ((p[x << j] >> 16) & 0xFFFF) != t:
                return 0 - (x << 3 | _LISTS)
            p[x << j] = (p[x << j] & 0xFFFF) | y << 16
        if y:
            p[y << j] = (p[y << j] & -0x10000) | x
        else:
            f = 0
            while (m >> f) > 7:
                f += 1
            c = (f << 2) + (m >> f)
            heads[_HEADS + c] = x
            if x == 0:
                if c < 32:
                    p[4] = p[4] ^ (1 << c)
                else:
                    p[5] = p[5] ^ (1 << (c - 32))
        if k:
            p[(t << j) - 1] = 0
        else:
            p[(u << j) - 1] = 0
            u = t
        n += m
        p[3] = p[3] - 1
    v = u + n
    if joined:
        w = (joined & 0x3FFFF) | 2
        p[(v << j) - 1] = w | ((w * 5 + (w >> 9) + v * 37 + _KEY) & 0x3FFF) << 18
    w = (n << 2) | 1
    p[(u << j) - 1] = w | ((w * 5 + (w >> 9) + u * 37 + _KEY) & 0x3FFF) << 18
    p[(v << j) - 2] = n
    f = 0
    while (n >> f) > 7:
        f += 1
    c = (f << 2) + (n >> f)
    x = heads[_HEADS + c]
    if x >= end:
        return 0 - (x << 3 | _LISTS)
    if x:
        p[x << j] = (p[x << j] & 0xFFFF) | u << 16
    elif c < 32:
        p[4] = p[4] | 1 << c
    else:
        p[5] = p[5] | 1 << (c - 32)
    heads[_HEADS + c] = u
    p[u << j] = x
    p[1] = p[1] - used
    return 0


# Gives a used block the free one after it, whole, if both together hold size bytes: 1, or 0 if they do not.
@micropython.viper
def _extend(base: uint, offset: int, size: int) -> int:
    p = ptr32(base)
    heads = ptr16(base)
    end = p[0] & 0xFFFF
    j = p[0] >> 16
    u = offset >> (j + 2)
    w = p[(u << j) - 1] & 0x3FFFF
    t = u + (w >> 2)
    if t >= end:
        return 0
    q = p[(t << j) - 1] & 0x3FFFF
    m = q >> 2
    if ((p[(t << j) - 1] >> 18) ^ (q * 5 + (q >> 9) + t * 37 + _KEY)) & 0x3FFF or q & 2 or t + m > end:
        return 0 - (t << 3 | _SMASHED)
    n = (w >> 2) + m
    if (q & 1) == 0 or (n << (j + 2)) - 4 < size:
        return 0
    v = u + n
    q = p[(v << j) - 1] & 0x3FFFF
    if ((p[(v << j) - 1] >> 18) ^ (q * 5 + (q >> 9) + v * 37 + _KEY)) & 0x3FFF or (q & 3) != 2:
        return 0 - (v << 3 | _SMASHED)
    x = p[t << j] & 0xFFFF
    y = (p[t << j] >> 16) & 0xFFFF
    if x >= end or y >= end:
        return 0 - (t << 3 | _LISTS)
    if x:
        if ((p[x << j] >> 16) & 0xFFFF) != t:
            return 0 - (x << 3 | _LISTS)
        p[x << j] = (p[x << j] & 0xFFFF) | y << 16
    if y:
        p[y << j] = (p[y << j] & -0x10000) | x
    else:
        f = 0
        while (m >> f) > 7:
            f += 1
        c = (f << 2) + (m >> f)
        heads[_HEADS + c] = x
        if x == 0:
            if c < 32:
                p[4] = p[4] ^ (1 << c)
            else:
                p[5] = p[5] ^ (1 << (c - 32))
    q ^= 2
    p[(v << j) - 1] = q | ((q * 5 + (q >> 9) + v * 37 + _KEY) & 0x3FFF) << 18
    p[(t << j) - 1] = 0
    w += m << 2
    p[(u << j) - 1] = w | ((w * 5 + (w >> 9) + u * 37 + _KEY) & 0x3FFF) << 18
    p[1] = p[1] + (m << (j + 2))
    p[3] = p[3] - 1
    return 1


# Cuts a used block in two used ones, the first holding size bytes, if both can be blocks: the second's
# offset, or 0.
@micropython.viper
def _split(base: uint, offset: int, size: int) -> int:
    p = ptr32(base)
    j = p[0] >> 16
    u = offset >> (j + 2)
    w = p[(u << j) - 1] & 0x3FFFF
    n = (size + 3 + (4 << j)) >> (j + 2)
    if n < 2:
        n = 2
    m = (w >> 2) - n
    if m < 2:
        return 0
    w = (n << 2) | (w & 2)
    p[(u << j) - 1] = w | ((w * 5 + (w >> 9) + u * 37 + _KEY) & 0x3FFF) << 18
    u += n
    w = m << 2
    p[(u << j) - 1] = w | ((w * 5 + (w >> 9) + u * 37 + _KEY) & 0x3FFF) << 18
    p[1] = p[1] - 4
    p[3] = p[3] + 1
    return u << (j + 2)


# The payload bytes of the block at offset, +1 if it is free, +2 if the one before it is; -1: no block there.
@micropython.viper
def _block(base: uint, offset: int) -> int:
    p = ptr32(base)
    end = p[0] & 0xFFFF
    j = p[0] >> 16
    u = offset >> (j + 2)
    if offset <= _CONTROL or u > end or (u << (j + 2)) != offset:
        return -1
    w = p[(u << j) - 1] & 0x3FFFF
    if ((p[(u << j) - 1] >> 18) ^ (w * 5 + (w >> 9) + u * 37 + _KEY)) & 0x3FFF or u + (w >> 2) > end:
        return -1
    if w >> 2 == 0:
        return w & 3
    return (w >> 2 << (j + 2)) - 4 | (w & 3)


@micropython.viper
def _get(base: uint, index: int) -> int:
    return ptr32(base)[index]


@micropython.viper
def _head(base: uint, index: int) -> int:
    return ptr16(base)[_HEADS + index]


@micropython.viper
def _put(base: uint, index: int, value: int):
    p = ptr32(base)
    p[index] = value


@micropython.viper
def _copy(base: uint, target: int, source: int, length: int):
    p = ptr32(base)
    t = target >> 2
    s = source >> 2
    end = s + (length >> 2)
    while s < end:
        p[t] = p[s]
        t += 1
        s += 1


def _class(n):
    f = 0
    while n >> f > 7:
        f += 1
    return 4 * f + (n >> f)


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
        heads = _class(end - 1) - 1 if end > 1 else 0
        self._first = (_CONTROL + 2 * heads + 3 + (4 << j)) >> (j + 2) << (j + 2)
        self._shift = j
        if end - (self._first >> (j + 2)) < 2:
            raise HeapError("a heap of %d bytes is too small: give at least 96" % self.size)
        if heap_in(address, self.size):
            raise HeapError("another runtime has this memory: destroy() it first")
        self._geometry = end | j << 16
        self._entry = self.base, address + self.size, self._geometry
        heaps().append(self._entry)
        _init(self.base, self._geometry, self._first >> (j + 2))

    def close(self):
        _put(self.base, 0, 0)
        heaps().remove(self._entry)

    def _fault(self, code, offset=None):
        kind = -code & 7
        if offset is None or kind != _FOREIGN:
            offset = -code >> 3 << (self._shift + 2)
        raise HeapError(_FAULTS[kind - 1] % offset)

    def alloc(self, size, align=8):
        if not 0 <= size <= self.size:
            return 0
        if align > 8:
            return self._alloc_aligned(size, align)
        offset = _alloc(self.base, size, 0)
        if offset < 0:
            self._fault(offset)
        return offset

    # What comes by realloc is likely to grow: it takes the low end of what is free, where nothing else will lie.
    def _alloc_low(self, size):
        offset = _alloc(self.base, size, 1)
        if offset < 0:
            self._fault(offset)
        return offset

    def _alloc_aligned(self, size, align):
        peak = self.peak()
        offset = self.alloc(size + align + (8 << self._shift))
        if offset:
            gap = -(self.base + offset) % align
            while 0 < gap < 8 << self._shift:
                gap += align
            if gap:
                front = offset
                offset = _split(self.base, offset, gap - 4)
                self.free(front)
            self._trim(offset, size, peak)
        return offset

    # Gives back what a used block has beyond size; peak: as it was before the block got that much.
    def _trim(self, offset, size, peak):
        rest = _split(self.base, offset, size)
        if rest:
            self.free(rest)
        _put(self.base, 2, max(peak, self.used()))

    # The block's new offset; 0 if there is no room, and then the block is as it was. keep: if it moves, the old one
    # stays until free_kept.
    def realloc(self, offset, size, keep=False):
        have = self.size_of(offset) if offset else 0
        if not 0 <= size <= self.size:
            return 0
        if not offset:
            return self._alloc_low(size)
        peak = self.peak()
        done = size <= have or _extend(self.base, offset, size)
        if done < 0:
            self._fault(done)
        if done:
            self._trim(offset, size, peak)
            return offset
        target = self._alloc_low(size)
        if target:
            _copy(self.base, target, offset, have)
            if not keep:
                self.free(offset)
        return target

    def free_kept(self, offset):
        self.free(offset)

    def free(self, offset):
        code = _free(self.base, offset)
        if code < 0:
            self._fault(code, offset)

    # Bytes that the used block at offset can hold.
    def size_of(self, offset):
        size = _block(self.base, offset)
        if size < 8:
            self._fault(-_FOREIGN, offset)
        if size & 1:
            raise HeapError(_FAULTS[_FREED - 1] % offset)
        return size & ~3

    # used + free + overhead is size: payload of used blocks, of free ones, headers with all the rest.
    def used(self):
        return _get(self.base, 1)

    def peak(self):
        return _get(self.base, 2)

    def overhead(self):
        whole = (_get(self.base, 0) & 0xFFFF) << (self._shift + 2)
        return self.size - whole + self._first + 4 * _get(self.base, 3)

    def free_bytes(self):
        return self.size - self.used() - self.overhead()

    # An alloc of this size succeeds, and one of more does not.
    def largest_free(self):
        c = 61
        while c and not _head(self.base, c) * (_get(self.base, 4 + (c >> 5)) >> (c & 31) & 1):
            c -= 1
        if not c:
            return 0
        largest = 0
        u = _head(self.base, c)
        for _ in range(_TRIES):
            if not u:
                break
            largest = max(largest, self._free_block(u << (self._shift + 2)))
            u = _get(self.base, u << self._shift) & 0xFFFF
        return largest

    def _free_block(self, offset):
        size = _block(self.base, offset)
        if size < 8 or size & 3 != 1:
            raise HeapError(_FAULTS[_LISTS - 1] % offset)
        return size & ~3

    # (offset, payload bytes, free) of each block, in order of address.
    def walk(self):
        offset = self._first
        end = (_get(self.base, 0) & 0xFFFF) << (self._shift + 2)
        before = 0
        while offset < end:
            size = _block(self.base, offset)
            if size < 8 or (size & 2) >> 1 != before or size & 3 == 3:
                raise HeapError(_FAULTS[_SMASHED - 1] % offset)
            before = size & 1
            size &= ~3
            yield offset, size, bool(before)
            offset += size + 4
        if offset != end or _block(self.base, offset) != before << 1:
            raise HeapError(_FAULTS[_SMASHED - 1] % offset)

    # Verifies every header, list, bit and sum.
    def check(self):
        if _get(self.base, 0) != self._geometry:
            raise HeapError("the heap's first word was overwritten")
        used = blocks = loose = 0
        for offset, size, free in self.walk():
            blocks += 1
            if not free:
                used += size
                continue
            loose += 1
            last = _get(self.base, (offset + size >> 2) - 1)
            if last != size + 4 >> self._shift + 2:
                raise HeapError(_FAULTS[_SMASHED - 1] % offset)
        if blocks != _get(self.base, 3) or used != self.used() or used > self.peak():
            raise HeapError("the heap's counters were overwritten")
        for c in range(2, _class(self._end() - 1) + 1):
            loose -= self._check_list(c)
        if loose:
            raise HeapError("the heap's free lists were overwritten")

    def _end(self):
        return _get(self.base, 0) & 0xFFFF

    def _check_list(self, c):
        u = _head(self.base, c)
        count = before = 0
        if bool(u) != bool(_get(self.base, 4 + (c >> 5)) >> (c & 31) & 1):
            raise HeapError("the heap's free lists were overwritten")
        while u:
            offset = u << (self._shift + 2)
            links = _get(self.base, u << self._shift) if u < self._end() else 0
            size = self._free_block(offset)
            if _class(size + 4 >> self._shift + 2) != c or links >> 16 & 0xFFFF != before:
                raise HeapError(_FAULTS[_LISTS - 1] % offset)
            before, u = u, links & 0xFFFF
            count += 1
        return count
