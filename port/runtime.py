# The runtime: the global heap, and lists of what is in it.
from micropython import const

from . import platform
from .alive import Mortal, latest
from .errors import Error, LoadError, OutOfHeap
from .heap.heap import Heap
from .module import Module
from .xip.layout import CELL_LOCK, CELL_SIZE, IMAGE_FEATURES, IMAGE_STACK_GUARD
from .xip.raw import add, peek

# What runtime_full_init takes; WAMR's mem_alloc_type_t.
ALLOC_WITH_POOL = const(0)
ALLOC_WITH_ALLOCATOR = const(1)
ALLOC_WITH_SYSTEM_ALLOCATOR = const(2)


class Runtime(Mortal):
    LIFE = "heap"
    GONE = "the runtime was destroyed"

    # heap: the buffer that everything is allocated from, a bytearray or (address, size); allocator: functions
    # (malloc, realloc, free) that it comes from; neither: MicroPython's heap. trusted: public keys, one of which must
    # have signed each image that is loaded; None: whoever made it.
    def __init__(self, heap=None, allocator=None, trusted=None):
        if heap is not None:
            self.heap = Heap(heap)
        elif allocator is not None:
            from .heap.blocks import AllocatorHeap

            self.heap = AllocatorHeap(*allocator)
        else:
            from .heap.blocks import SystemHeap

            self.heap = SystemHeap()
        # who runs now: compiled code finds it through its instance
        self.cell = self.alloc(CELL_SIZE, "the runtime")
        # all offsets count from here
        self.base = self.heap.base
        platform.fill(add(self.base, self.cell), CELL_SIZE, 0)
        self.lock = platform.view(add(self.base, self.cell + CELL_LOCK), 4)
        self.modules = []
        # by number (INSTANCE_ID); None: free
        self.instances = []
        # unchecked frames of any module may need this much, whoever owns the exec env
        self.guard = 0
        # what externrefs stand for (run/references.py), None: free; and how many there may be before a sweep
        self.references = []
        self.references_room = 16
        # calls that are stopped at a poll; what they may still take; memories and tables that have moved (run/polls.py)
        self.stopped = self.moves = 0
        self.limit = None
        self.trusted = trusted
        latest[0] = self

    def alloc(self, size, what):
        offset = self.alive().heap.alloc(size)
        if not offset:
            self.out_of_heap(size, what)
        return offset

    def out_of_heap(self, size, what):
        raise OutOfHeap(
            "no room in the global heap for %s: %d bytes wanted, %d is the largest free block of %d"
            % (what, size, self.heap.largest_free(), self.heap.size)
            if self.heap.size
            else "the allocator has no %d bytes for %s" % (size, what)
        )

    # source: an address, a buffer in flash, the path of a file in a ROM file system, or an image's name in flash; name:
    # what it must be signed as, where a key is needed
    def load(self, source, name=None):
        self.alive()
        limit = None
        if isinstance(source, str):
            from .update.load import load

            return load(self, source)
        if isinstance(source, int):
            base, source = source, None
        else:
            base, limit = platform.address_of(source), len(source)
        size = _checked(base, limit)
        if self.trusted is not None:
            from .update.load import check

            check(self, base, size, limit, name)
        module = Module(self, source, base, size)
        for other in self.modules:
            _check_signatures(module, other)
        platform.enable(peek(base, IMAGE_FEATURES))
        self._guard(peek(base, IMAGE_STACK_GUARD))
        self.modules.append(module)
        return module

    def _guard(self, guard):
        if guard <= self.guard:
            return
        if self.busy():
            raise LoadError(
                "the module needs a stack guard of %d bytes, compiled code runs with one of %d: load it first"
                % (guard, self.guard)
            )
        envs = [env for instance in self.present() for env in instance.exec_envs]
        for env in envs:
            if guard + 64 > env.stack_size:
                raise LoadError(
                    "the module needs exec envs of more than %d bytes, there is one of %d: load it first"
                    % (guard + 64, env.stack_size)
                )
        self.guard = guard
        for env in envs:
            env.set_limit()

    # The instances that there are: where one was that ended the list has None.
    def present(self):
        return [instance for instance in self.instances if instance is not None]

    # Whether a call into compiled code has not ended.
    def busy(self):
        return any([env.busy for instance in self.present() for env in instance.exec_envs])

    # what: an operation that needs nothing to run.
    def idle(self, what):
        if self.alive().busy():
            raise Error("%s: compiled code is running, wait until the call into it has ended" % what)

    # --- references: run/references.py is imported with the first one ---

    # The two words of a value; what: for errors.
    def reference_words(self, letter, value, what):
        from .run.references import words_of

        return words_of(self, letter, value, what)

    def reference_value(self, letter, words):
        from .run.references import value_of

        return value_of(self, letter, words)

    # Lets go of what nothing holds, unless a call is still running.
    def release_references(self):
        if self.references and not self.lock[0] and not self.busy():
            from .run.lock import locked
            from .run.references import sweep

            locked(self, sweep, self, False)

    # --- memory, for the host's own use: addresses, 0 where there is no room ---

    def malloc(self, size):
        return self._address(self.alive().heap.alloc(size))

    # alignment: a power of two
    def aligned_alloc(self, size, alignment):
        return self._address(self.alive().heap.alloc(size, max(alignment, 8)))

    def realloc(self, address, size):
        return self._address(self.alive().heap.realloc(address and address - self.base, size))

    def free(self, address):
        if address:
            self.alive().heap.free(address - self.base)

    def _address(self, offset):
        return self.base + offset if offset else 0

    # total, free, highmark
    def mem_alloc_info(self):
        return self.alive().heap.size, self.heap.free_bytes(), self.heap.peak()

    # Ends everything that was made with this runtime; handles of it know.
    def destroy(self):
        if self.heap is None:
            return
        self.idle("destroy")
        for instance in self.present():
            instance.release()
        self.instances, self.references = [], []
        for module in self.modules:
            module.instances = []
        while self.modules:
            self.modules[-1].unload()
        self.heap.free(self.cell)
        self.heap.close()
        self.heap = None
        if latest[0] is self:
            latest[0] = None


# WAMR's names for it.
def runtime_init():
    return Runtime()


# option: the buffer of a pool; (malloc, realloc, free) of an allocator; nothing for the system's.
def runtime_full_init(mem_alloc_type, option=None):
    if mem_alloc_type == ALLOC_WITH_POOL:
        return Runtime(heap=option)
    if mem_alloc_type == ALLOC_WITH_ALLOCATOR:
        return Runtime(allocator=option)
    if mem_alloc_type == ALLOC_WITH_SYSTEM_ALLOCATOR:
        return Runtime()
    raise Error("mem_alloc_type is one of ALLOC_WITH_POOL, ALLOC_WITH_ALLOCATOR, ALLOC_WITH_SYSTEM_ALLOCATOR")


# Indirect calls between modules compare the words of their types: one word must not stand for two types.
def _check_signatures(module, other):
    for word, text in module.types():
        for known, meant in other.types():
            if word == known and text != meant:
                raise LoadError("the types %s and %s of two modules have the same signature word" % (text, meant))


# Size of the image at base, in which everything is as it must be. limit: bytes that the source has, or None.
def _checked(base, limit):
    from .xip import checks, image

    image.users += 1
    try:
        size = image.check_header(base, limit)
        image.check_crc(base, size)
        image.Checker(base, size).check()
    finally:
        image.users -= 1
        if not image.users:
            platform.drop_module(image)
            platform.drop_module(checks)
    return size
