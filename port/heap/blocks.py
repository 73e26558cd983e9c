# The two other kinds of global heap: a user's functions, and MicroPython's own heap. Both know their blocks by
# the distance from base, as fit.py does, so that the runtime need not know which heap it has.
from ..errors import HeapError
from ..platform import address_of, view
from ..xip.raw import peek, poke

_GUARD = 0x5AFEB10C  # the word after a block; found changed when the block is freed
_GUARD_SIZE = 4
_MOST = 1 << 30  # bytes of a block; no board has them, and an int of 31 bits not either


# What both have: who has which block, how much it is, and the most it was.
class _Blocks:
    size = 0  # not known: neither kind has an end of its own

    def __init__(self):
        self._blocks = {}  # distance: (payload bytes, what keeps it)
        self._used = self._peak = 0
        self.base = 0

    def alloc(self, size, align=8):
        if not 0 <= size < _MOST:
            return 0
        size = (size + 7) & ~7 or 8
        address, keeper = self._get(size + _GUARD_SIZE, align)
        if not address:
            return 0
        if not self.base:
            # nothing is at base itself, 0 is never a block
            self.base = address - 8
        offset = address - self.base
        self._note(offset, size, keeper)
        return offset

    def _note(self, offset, size, keeper):
        poke(self.base, offset + size, _GUARD)
        self._blocks[offset] = size, keeper
        self._used += size
        self._peak = max(self._peak, self._used)

    def _known(self, offset):
        found = self._blocks.get(offset)
        if found is None:
            raise HeapError("no block at %d: freed already, or not from this heap" % offset)
        if peek(self.base, offset + found[0]) != _GUARD:
            raise HeapError("block at %d: its boundary was overwritten" % offset)
        return found

    def free(self, offset):
        size, keeper = self._known(offset)
        del self._blocks[offset]
        self._used -= size
        self._put(self.base + offset, keeper)

    def close(self):
        pass

    def size_of(self, offset):
        return self._known(offset)[0]

    def used(self):
        return self._used

    def peak(self):
        return self._peak

    def overhead(self):
        return _GUARD_SIZE * len(self._blocks)

    def free_bytes(self):
        return 0

    def largest_free(self):
        return 0

    # (distance, payload bytes, free) of each block, in order of address.
    def walk(self):
        for offset in sorted(self._blocks):
            yield offset, self._blocks[offset][0], False

    def check(self):
        for offset in self._blocks:
            self._known(offset)


# Alloc_With_Allocator. malloc(size), realloc(address, size) and free(address) speak of addresses, 0 is none;
# what they give must be a multiple of 8.
class AllocatorHeap(_Blocks):
    kind = 1  # ALLOC_WITH_ALLOCATOR

    def __init__(self, malloc, realloc, free):
        super().__init__()
        self._malloc = malloc
        self._realloc = realloc
        self._free = free

    def _get(self, size, align):
        address = self._malloc(size if align <= 8 else size + align)
        if address & 7:
            raise HeapError("malloc gave 0x%08x, which is not a multiple of 8" % address)
        return (address + align - 1) & ~(align - 1), address

    def _put(self, address, keeper):
        self._free(keeper)

    # The program's own function moves a block and frees the old one at once.
    def free_kept(self, offset):
        pass

    def realloc(self, offset, size, keep=False):
        if not offset:
            return self.alloc(size)
        had, keeper = self._known(offset)
        if keeper != self.base + offset:
            raise HeapError("block at %d: an aligned block cannot change its size" % offset)
        if not 0 <= size < _MOST:
            return 0
        size = (size + 7) & ~7 or 8
        address = self._realloc(keeper, size + _GUARD_SIZE)
        if not address:
            return 0
        if address & 7:
            raise HeapError("realloc gave 0x%08x, which is not a multiple of 8" % address)
        del self._blocks[offset]
        self._used -= had
        self._note(address - self.base, size, address)
        return address - self.base


# Alloc_With_System_Allocator: every block is a bytearray, which is kept here until it is freed and never moves.
class SystemHeap(_Blocks):
    kind = 2  # ALLOC_WITH_SYSTEM_ALLOCATOR

    def _get(self, size, align):
        try:
            keeper = bytearray(size + align)
            address = address_of(keeper)
        except MemoryError:
            return 0, None
        return (address + align - 1) & ~(align - 1), keeper

    def _put(self, address, keeper):
        pass

    def free_kept(self, offset):
        self.free(offset)

    def realloc(self, offset, size, keep=False):
        if not offset:
            return self.alloc(size)
        had = self.size_of(offset)
        new = self.alloc(size)
        if new:
            length = min(had, size)
            view(self.base + new, length)[:] = view(self.base + offset, length)
            if not keep:
                self.free(offset)
        return new
