# A memory with a window: the pages of what lies outside of it, taken from the global heap when they are first written.
# Compiled code finds them through a hash table, and takes new ones from a chunk that lies ready, as the far routine
# (aot/stubs/far_*.S) does; this is the same for Python, and what gets chunks. The table has more slots than pages.

import micropython
from micropython import const

from .. import platform
from ..errors import Trap
from ..xip.layout import (
    FAR_ADDRESS,
    FAR_HASH_SHIFT,
    FAR_HIGH,
    FAR_LEFT,
    FAR_LOW,
    FAR_MASK,
    FAR_NEXT,
    FAR_NONE,
    FAR_PAGES,
    FAR_SLOT,
    FAR_SLOTS,
    FAR_STEP,
    FAR_TABLE,
    FLAGS_FAR_SHIFT,
    IMAGE_APP_HEAP,
    IMAGE_FLAGS,
    IMAGE_MEMORY_SLACK,
    TRAP_OUT_OF_BOUNDS_MEMORY,
)
from ..xip.raw import add, peek, peek_offset, poke, poke_address

_CHUNK = const(1024)  # bytes of pages that are taken at a time, where there is room


def prepare(instance):
    module = instance.module
    instance.owned = list(instance.owned)
    instance.far_shift = module.word(IMAGE_FLAGS) >> FLAGS_FAR_SHIFT & 15  # log2 of a page's bytes
    instance.refill = refill  # for requests.py, which finds it so without an import
    low = module.word(IMAGE_APP_HEAP)
    instance.put(FAR_LOW, low)
    instance.put(FAR_HIGH, low + module.word(IMAGE_MEMORY_SLACK))
    _use_table(instance, instance.runtime.alloc(FAR_SLOTS * FAR_SLOT, "the table of far pages"), FAR_SLOTS)


def _use_table(instance, table, slots):
    base, old, mask = instance.runtime.base, instance.memory_block, (slots - 1) * FAR_SLOT
    platform.fill(add(base, table), slots * FAR_SLOT, 255)
    if old:
        _move(base, old, old + instance.get(FAR_MASK), table, mask)
    instance.memory_block = table
    instance.put_address(FAR_TABLE, base, table)
    instance.put(FAR_MASK, mask)
    if old:
        instance.runtime.heap.free(old)


# What the slots at, and so on up to last have, into a table that is empty.
@micropython.viper
def _move(base: uint, at: int, last: int, table: int, mask: int):
    while at <= last:
        p = ptr32(base + uint(at))
        page = p[0]
        if page != -1:
            slot = (page + (page >> FAR_HASH_SHIFT)) * FAR_SLOT & mask
            while ptr32(base + uint(table + slot))[0] != -1:
                slot = slot + FAR_STEP & mask
            to = ptr32(base + uint(table + slot))
            to[0] = page
            to[1] = p[1]
        at += FAR_SLOT


# Offset of a page's slot, or of the empty one where it belongs.
@micropython.viper
def _slot(base: uint, table: int, mask: int, page: int) -> int:
    at = (page + (page >> FAR_HASH_SHIFT)) * FAR_SLOT & mask
    found = ptr32(base + uint(table + at))[0]
    while found != page and found != -1:
        at = at + FAR_STEP & mask
        found = ptr32(base + uint(table + at))[0]
    return table + at


# Pages that lie ready, where none do any more.
def refill(instance):
    runtime, shift = instance.runtime, instance.far_shift
    heap = runtime.heap
    pages, slots, count = instance.get(FAR_PAGES), instance.get(FAR_MASK) // FAR_SLOT + 1, _CHUNK >> shift
    if pages + count > slots * 3 // 4:
        table = heap.alloc(2 * slots * FAR_SLOT)
        if table:
            slots *= 2
            _use_table(instance, table, slots)
    count = min(count, slots - 1 - pages)
    offset = 0
    while count > 0 and not offset:
        offset = heap.alloc(count << shift)
        if not offset:
            count >>= 1
    if not offset:
        raise Trap(
            "no room in the global heap for linear memory at %d, the %d. far page of %d bytes"
            % (instance.get(FAR_ADDRESS), pages + 1, 1 << shift)
        )
    instance.owned.append(offset)
    platform.fill(add(runtime.base, offset), count << shift, 0)
    instance.put(FAR_PAGES, pages + count)
    instance.put_address(FAR_NEXT, runtime.base, offset)
    instance.put(FAR_LEFT, count)


# Where an address lies, as a view from there to the end of its page or the window, of length bytes at most; None where
# it reads as zeros, which it does not if it is to be written.
def _part(instance, at, length, written):
    base, low, high = instance.runtime.base, instance.get(FAR_LOW), instance.get(FAR_HIGH)
    if low <= at < high:
        return platform.view(add(base, instance.pointer + at - low), min(length, high - at))
    page, end = at >> instance.far_shift, 1 << instance.far_shift
    within = at & end - 1
    slot = _slot(base, instance.memory_block, instance.get(FAR_MASK), page)
    if peek(base, slot) == FAR_NONE:
        if not written:
            return None
        slot = _make(instance, at, page, slot)
    return platform.view(add(peek(base, slot + 4), within), min(length, end - within))


def _make(instance, at, page, slot):
    base = instance.runtime.base
    if not instance.get(FAR_LEFT):
        instance.put(FAR_ADDRESS, at)
        refill(instance)
        slot = _slot(base, instance.memory_block, instance.get(FAR_MASK), page)
    offset = peek_offset(base, instance.pointer - FAR_NEXT)
    poke(base, slot, page)
    poke_address(base, slot + 4, base, offset)
    instance.put_address(FAR_NEXT, base, offset + (1 << instance.far_shift))
    instance.put(FAR_LEFT, instance.get(FAR_LEFT) - 1)
    return slot


# The device's address of a byte, good up to the end of its page.
def address_of(instance, at):
    return platform.address_of(_part(instance, at, 1, True))


# Of the window and of each far page: where it begins in linear memory, its bytes, its address.
def parts(instance):
    low, shift = instance.get(FAR_LOW), instance.far_shift
    yield low, instance.get(FAR_HIGH) - low, add(instance.runtime.base, instance.pointer)
    for page, address in pages(instance):
        yield page << shift, 1 << shift, address


# Of each far page: its number and its address.
def pages(instance):
    base, table = instance.runtime.base, instance.memory_block
    for slot in range(table, table + instance.get(FAR_MASK) + FAR_SLOT, FAR_SLOT):
        page = peek(base, slot)
        if page != FAR_NONE:
            yield page, peek(base, slot + 4)


# The address in linear memory of a byte of the device's, -1: none.
def app_address(instance, address):
    for at, length, start in parts(instance):
        if start <= address < start + length:
            return at + address - start
    return -1


# Bytes of a range from the first one that is not 0 to its end.
def from_first(instance, start, size):
    first = end = start + size
    for at, length, address in parts(instance):
        low, top = max(at, start), min(at + length, first)
        if low < top:
            zeros = platform.count(add(address, low - at), top - low, 0)
            if zeros < top - low:
                first = low + zeros
    return end - first


def _check(instance, start, length):
    if start + length > instance.memory_size():
        from ..traps import MESSAGES

        raise Trap(MESSAGES[TRAP_OUT_OF_BOUNDS_MEMORY])


def read(instance, start, length):
    result = bytearray(length)
    done, mask = 0, (1 << instance.far_shift) - 1
    while done < length:
        part = _part(instance, start + done, length - done, False)
        if part is None:
            done += min(length - done, -(start + done) & mask or mask + 1)
        else:
            result[done : done + len(part)] = part
            done += len(part)
    return result


def write(instance, start, data):
    data = memoryview(data)
    done, length = 0, len(data)
    while done < length:
        part = _part(instance, start + done, length - done, True)
        part[:] = data[done : done + len(part)]
        done += len(part)


def fill(instance, start, byte, length):
    _check(instance, start, length)
    mask = (1 << instance.far_shift) - 1
    while length:
        part = _part(instance, start, length, byte)
        count = min(length, -start & mask or mask + 1)
        if part is not None:
            count = len(part)
            part[:] = bytes((byte,)) * count
        start += count
        length -= count


# By pieces that both lie in one page; from the end where it lies behind its source, so that what is still to be read is
# not overwritten.
def copy(instance, to, source, length):
    _check(instance, source, length)
    _check(instance, to, length)
    done = 0
    while done < length:
        count = min(length - done, 1 << instance.far_shift)
        at = length - done - count if to > source else done
        write(instance, to + at, read(instance, source + at, count))
        done += count


# What Python has of it, in the place of a memoryview of all: the bytes where they are if they lie in the window or in
# one page that was written; otherwise a Part.
class Whole:
    def __init__(self, instance):
        self.instance = instance
        self.size = instance.memory_size()

    def __len__(self):
        return self.size

    def __getitem__(self, key):
        if isinstance(key, int):
            part = _part(self.instance, key, 1, False)
            return 0 if part is None else part[0]
        start, length = key.start, key.stop - key.start
        part = _part(self.instance, start, length, False) if length else b""
        if part is None or len(part) < length:
            return Part(self.instance, start, length)
        return memoryview(part)

    def __setitem__(self, key, value):
        _part(self.instance, key, 1, True)[0] = value


# A run of bytes over a border. It has no buffer: bytes() copies it, an assignment goes to where the bytes are.
class Part:
    def __init__(self, instance, start, length):
        self.instance = instance
        self.start = start
        self.length = length

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(read(self.instance, self.start, self.length))

    # The bytes where they are, page by page.
    def pieces(self):
        done = 0
        while done < self.length:
            part = _part(self.instance, self.start + done, self.length - done, True)
            yield memoryview(part)
            done += len(part)

    def _range(self, key):
        begin, end = key.start or 0, self.length if key.stop is None else key.stop
        if key.step not in (None, 1) or not 0 <= begin <= end <= self.length:
            raise ValueError("a part of %d bytes of linear memory has no such slice" % self.length)
        return self.start + begin, end - begin

    def _at(self, key):
        if not 0 <= key < self.length:
            raise IndexError("a byte at %d of %d" % (key, self.length))
        return self.start + key

    def __getitem__(self, key):
        if isinstance(key, int):
            return read(self.instance, self._at(key), 1)[0]
        return Part(self.instance, *self._range(key))

    def __setitem__(self, key, value):
        if isinstance(key, int):
            write(self.instance, self._at(key), bytes((value,)))
            return
        start, length = self._range(key)
        if len(value) != length:
            raise ValueError("%d bytes assigned to %d of linear memory" % (len(value), length))
        write(self.instance, start, value)
