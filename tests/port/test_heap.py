"""The global heap's allocator against a model: which bytes are whose, sums, neighbours, and what damage does."""

from __future__ import annotations

from typing import Any

import insitu.sim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insitu.port.heap.heap import Heap, HeapError

RAM = 0x2400_0000
HEADER = 4  # bytes before each block

Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["alloc", "alloc", "aligned", "free", "free", "realloc"]),
        st.integers(0, 30),
        st.one_of(st.integers(0, 64), st.integers(0, 3000)),
    ),
    max_size=60,
)


def _heap(size: int, address: int = RAM) -> Heap:
    cpu = insitu.sim.install(insitu.sim.Cpu("rv32imc"))
    cpu.map_ram(RAM, (size + 64 + 4095) & ~4095)
    return Heap((address, size))


class Model:
    """What the heap's user knows: his blocks, each filled with a byte of its own."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.blocks: dict[int, int] = {}  # offset: bytes asked for
        self.peak = 0

    def view(self, offset: int, size: int) -> Any:
        return insitu.sim.current().view(self.heap.base + offset, size)

    def mark(self, offset: int) -> int:
        return offset // 8 * 7 & 0xFF

    def step(self, what: str, which: int, size: int) -> None:
        """One thing done, and what must hold of it at once."""
        if what == "alloc":
            self._took(self.heap.alloc(size), size, 8)
        elif what == "aligned":
            alignment = 16 << which % 5
            self._took(self.heap.alloc(size, alignment), size, alignment)
        elif self.blocks:
            offset = sorted(self.blocks)[which % len(self.blocks)]
            if what == "free":
                self._leave(offset)
                self.heap.free(offset)
            else:
                self._realloc(offset, size)

    def _took(self, offset: int, size: int, alignment: int) -> None:
        largest = self.heap.largest_free()
        if not offset:
            assert alignment > 8 or largest < max(size, 1)
            return
        assert (self.heap.base + offset) % alignment == 0
        assert self.heap.size_of(offset) >= size
        for other, length in self.blocks.items():
            assert offset + size <= other or other + length <= offset
        self.blocks[offset] = size
        self.view(offset, size)[:] = bytes([self.mark(offset)]) * size

    def _leave(self, offset: int) -> None:
        size = self.blocks.pop(offset)
        assert bytes(self.view(offset, size)) == bytes([self.mark(offset)]) * size

    def _realloc(self, offset: int, size: int) -> None:
        had = self.blocks[offset]
        new = self.heap.realloc(offset, size)
        if not new:
            return  # the block is as it was, which the end of the test sees
        kept = min(had, size)
        assert bytes(self.view(new, kept)) == bytes([self.mark(offset)]) * kept
        del self.blocks[offset]
        self._took(new, size, 8)

    def check(self) -> None:
        """What must hold at any time."""
        heap = self.heap
        heap.check()
        used = sum(heap.size_of(offset) for offset in self.blocks)
        self.peak = max(self.peak, used)
        assert heap.used() == used
        assert heap.used() + heap.free_bytes() + heap.overhead() == heap.size
        assert heap.peak() >= self.peak
        free = [(offset, size) for offset, size, is_free in heap.walk() if is_free]
        assert sum(size for _, size in free) == heap.free_bytes()
        ends = {offset + size + HEADER for offset, size in free}
        assert not ends & {offset for offset, _ in free}, "two free blocks are neighbours"


@settings(max_examples=150, deadline=None)
@given(st.integers(200, 9000), st.integers(0, 7), steps)
def test_against_a_model(size: int, shift: int, todo: list[Step]) -> None:
    model = Model(_heap(size, RAM + shift))
    whole = model.heap.largest_free()
    for step in todo:
        model.step(*step)
        model.check()
    for offset in list(model.blocks):
        model._leave(offset)
        model.heap.free(offset)
    model.check()
    assert model.heap.used() == 0
    assert model.heap.largest_free() == whole, "all free blocks have become one"


@pytest.mark.parametrize("size", [100_000, 600_000, 1_500_000])
def test_heaps_of_every_size_give_what_they_say(size: int) -> None:
    heap = _heap(size)
    largest = heap.largest_free()
    assert largest > size - 400
    assert heap.alloc(largest + 1) == 0
    assert heap.alloc(largest) != 0
    assert (heap.alloc(1), heap.largest_free(), heap.free_bytes()) == (0, 0, 0)
    heap.check()


@pytest.mark.parametrize("size", [0, 8, 50])
def test_too_small_a_buffer(size: int) -> None:
    with pytest.raises(HeapError, match=f"a heap of {size} bytes is too small: give at least"):
        _heap(size)


@pytest.mark.parametrize("size", [-1, -(1 << 31), 1 << 31, (1 << 32) - 1, 1 << 40])
def test_sizes_that_no_heap_has(size: int) -> None:
    heap = _heap(4096)
    assert heap.alloc(size) == 0
    block = heap.alloc(100)
    assert heap.realloc(block, size) == 0
    heap.check()
    assert heap.size_of(block) >= 100


def test_wrong_frees() -> None:
    heap = _heap(4096)
    first, second = heap.alloc(40), heap.alloc(40)
    for wrong in (0, 4, first + 8, first - 8, second + 1, 4096, 1 << 20, -8):
        with pytest.raises(HeapError, match="no block at"):
            heap.free(wrong)
    heap.free(first)
    with pytest.raises(HeapError, match="freed already"):
        heap.free(first)
    heap.free(second)
    with pytest.raises(HeapError, match="freed already, or not from this heap"):
        heap.free(second)
    heap.check()


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 1023), st.integers(0, 31), st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=8))
def test_a_damaged_heap_is_reported_or_harmless(word: int, bit: int, todo: list[tuple[bool, int]]) -> None:
    """One flipped bit anywhere but in the first word: HeapError, or it goes on; it never leaves its buffer."""
    heap = _heap(4096)
    blocks = [heap.alloc(24 + i) for i in range(20)]
    for offset in blocks[::3]:
        heap.free(offset)
    blocks = [offset for i, offset in enumerate(blocks) if i % 3]
    insitu.sim.current().view(RAM, 4096).cast("I")[word] ^= 1 << bit
    try:
        for allocate, which in todo:
            if allocate:
                blocks.append(heap.alloc(which * 5) or blocks[0])
            else:
                heap.free(blocks[which % len(blocks)])
        heap.check()
    except HeapError:
        pass


@pytest.mark.parametrize("bit", range(32))
def test_a_damaged_first_word_is_found_by_check(bit: int) -> None:
    heap = _heap(4096)
    heap.alloc(24)
    insitu.sim.current().view(RAM, 4).cast("I")[0] ^= 1 << bit
    with pytest.raises(HeapError, match="first word was overwritten"):
        heap.check()


def test_an_overrun_is_found_by_check() -> None:
    heap = _heap(4096)
    first, _second = heap.alloc(24), heap.alloc(24)
    size = heap.size_of(first)
    insitu.sim.current().view(heap.base + first, size + 4)[size:] = b"over"
    with pytest.raises(HeapError, match="its boundary was overwritten"):
        heap.check()


def test_time_does_not_grow_with_the_number_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alloc and a free read and write as many words among 1000 loose blocks as among 10."""

    def cost(blocks: int) -> int:
        heap = _heap(200_000)
        held = [heap.alloc(40 + i % 50) for i in range(blocks)]
        for offset in held[::2]:
            heap.free(offset)
        return max(_accesses(heap, size, monkeypatch) for size in (1, 60, 300, 5000))

    few, many = cost(10), cost(1000)
    assert many <= few + 40
    assert many < 250


def _accesses(heap: Heap, size: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Words that an alloc and a free read and write through viper's pointers."""
    count = 0
    for pointer in {insitu.sim.ptr32, insitu.sim.ptr16}:
        for name in ("__getitem__", "__setitem__"):
            original = getattr(pointer, name)

            def counted(*args: Any, original: Any = original) -> Any:
                nonlocal count
                count += 1
                return original(*args)

            monkeypatch.setattr(pointer, name, counted)
    heap.free(heap.alloc(size))
    monkeypatch.undo()
    return count
