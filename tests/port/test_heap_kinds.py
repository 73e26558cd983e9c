"""The three kinds of global heap of WAMR's guide, with the same program on each."""

from __future__ import annotations

from typing import Any

import insitu.sim
import pytest

from tests.port.conftest import FLASH, TARGETS, image

TEXT = """(module (memory 1 3)
    (data (i32.const 8) "abc")
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0))))"""


class Allocator:
    """malloc, realloc and free over a region of RAM: never reuses, and notes what it is asked."""

    def __init__(self, address: int) -> None:
        self.next = address
        self.sizes: dict[int, int] = {}

    def malloc(self, size: int) -> int:
        address = self.next
        self.next += (size + 7) & ~7
        self.sizes[address] = size
        return address

    def realloc(self, address: int, size: int) -> int:
        new = self.malloc(size)
        had = min(self.sizes[address], size)
        cpu = insitu.sim.current()
        cpu.view(new, had)[:] = cpu.view(address, had)
        self.free(address)
        return new

    def free(self, address: int) -> None:
        del self.sizes[address]


def _make(kind: str, cpu: Any) -> tuple[Any, Any]:
    from insitu import port

    if kind == "pool":
        return port.runtime_full_init(port.ALLOC_WITH_POOL, bytearray(300_000)), None
    if kind == "region":
        cpu.map_ram(0x2400_0000, 0x50000)
        return port.Runtime(heap=(0x2400_0000, 0x50000)), None
    if kind == "allocator":
        cpu.map_ram(0x2400_0000, 0x100000)
        own = Allocator(0x2400_0000)
        return port.runtime_full_init(port.ALLOC_WITH_ALLOCATOR, (own.malloc, own.realloc, own.free)), own
    return port.runtime_init(), None


@pytest.fixture(params=["pool", "region", "allocator", "system"])
def kind(request: Any) -> str:
    return str(request.param)


def _machine(target: str) -> Any:
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    cpu.map_flash(FLASH[target], image(TEXT, target))
    return cpu


@pytest.mark.parametrize("target", TARGETS)
def test_runs_grows_and_gives_back(target: str, kind: str) -> None:
    cpu = _machine(target)
    runtime, own = _make(kind, cpu)
    before = runtime.heap.used()
    instance = runtime.load(FLASH[target]).instantiate(stack_size=1024)
    assert instance.exports.peek(9) == ord("b")
    assert instance.exports.grow(2) == 1
    assert instance.exports.peek(9) == ord("b")
    assert instance.exports.peek(0x2FFFF) == 0
    assert instance.exports.grow(1) == -1
    assert runtime.heap.used() > 3 * 65536
    runtime.heap.check()
    instance.deinstantiate()
    assert runtime.heap.used() == before
    assert runtime.heap.peak() >= 3 * 65536
    runtime.destroy()
    if own:
        assert own.sizes == {}


def test_host_allocations(kind: str) -> None:
    runtime, _ = _make(kind, _machine("cortex-m4f"))
    from insitu.port.heap.heap import HeapError

    cpu, before = insitu.sim.current(), runtime.heap.used()
    first = runtime.malloc(100)
    assert first % 8 == 0
    cpu.view(first, 100)[:] = bytes(range(100))
    first = runtime.realloc(first, 5000)
    assert bytes(cpu.view(first, 100)) == bytes(range(100))
    aligned = runtime.aligned_alloc(10, 256)
    assert aligned % 256 == 0
    runtime.free(first)
    with pytest.raises(HeapError, match="freed already"):
        runtime.free(first)
    with pytest.raises(HeapError, match="no block"):
        runtime.free(aligned + 4)
    size = runtime.heap.size_of(aligned - runtime.base) if runtime.heap.size else 16
    cpu.view(aligned + size, 4)[:] = b"\x55\x55\x55\x55"
    with pytest.raises(HeapError, match="overwritten"):
        runtime.free(aligned)
    assert before < runtime.heap.used()


def test_a_malloc_that_has_no_more() -> None:
    from insitu import port

    _machine("cortex-m3")
    with pytest.raises(port.OutOfHeap, match="the allocator has no 16 bytes for the runtime"):
        port.Runtime(allocator=(lambda size: 0, lambda address, size: 0, lambda address: None))


def test_unknown_kind() -> None:
    from insitu import port

    with pytest.raises(port.Error, match="ALLOC_WITH_POOL"):
        port.runtime_full_init(7)
