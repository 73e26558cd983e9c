"""Every byte of the global heap has one owner, whatever happens, and all come back: random sequences against a
model that knows only what was asked for."""

from __future__ import annotations

import random
from typing import Any

import insitu.sim
import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st
from insitu import aot
from insitu.telemetry.decode import check_sums, decode, owners

FLASH = 0x08000000
OPERATIONS = 100_000
TEXT = """(module (memory 1 3) (table (export "t") 4 20 funcref) (global (export "g") (mut i64) (i64.const 1))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "f") (result i32) (i32.const 5)))"""


class Model:
    """What was asked for: by offset the size and the bytes written there."""

    def __init__(self, size: int) -> None:
        insitu.sim.install(insitu.sim.Cpu("cortex-m4f"))
        from insitu.port.heap.heap import Heap

        self.heap: Any = Heap(bytearray(size))
        self.blocks: dict[int, bytes] = {}
        self.empty = (self.heap.used(), self.heap.overhead(), self.heap.free_bytes(), self.heap.largest_free())

    def step(self, kind: int, size: int, pick: int) -> None:
        """alloc, free or realloc; then what must be true of any heap."""
        if kind < 5 or not self.blocks:
            self._alloc(size)
        elif kind < 9:
            self._free(sorted(self.blocks)[pick % len(self.blocks)])
        else:
            self._realloc(sorted(self.blocks)[pick % len(self.blocks)], size)
        heap = self.heap
        assert heap.used() + heap.overhead() + heap.free_bytes() == heap.size
        assert heap.used() >= sum(map(len, self.blocks.values()))

    def _view(self, offset: int, size: int) -> memoryview:
        return insitu.sim.current().view(self.heap.base + offset, size)

    def _alloc(self, size: int) -> None:
        offset = self.heap.alloc(size)
        if not offset:
            assert self.heap.largest_free() < max(size, 1)
            return
        assert offset % 8 == 0
        assert offset not in self.blocks
        self._fill(offset, size)

    def _fill(self, offset: int, size: int) -> None:
        content = (offset.to_bytes(4, "little") * (size // 4 + 1))[:size]
        self._view(offset, size)[:] = content
        self.blocks[offset] = content

    def _free(self, offset: int) -> None:
        content = self.blocks.pop(offset)
        assert bytes(self._view(offset, len(content))) == content
        self.heap.free(offset)

    def _realloc(self, offset: int, size: int) -> None:
        content = self.blocks[offset]
        new = self.heap.realloc(offset, size)
        if new:
            del self.blocks[offset]
            kept = min(size, len(content))
            assert bytes(self._view(new, kept)) == content[:kept]
            self._fill(new, size)

    def finish(self) -> None:
        """All free again: the heap as it was made."""
        self.heap.check()
        for offset in list(self.blocks):
            self._free(offset)
        self.heap.check()
        heap = self.heap
        assert (heap.used(), heap.overhead(), heap.free_bytes(), heap.largest_free()) == self.empty

    def fragmentation(self) -> float:
        """The part of what is free that one allocation cannot have."""
        free = self.heap.free_bytes()
        return 1 - self.heap.largest_free() / free if free else 0.0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 700), st.integers(0, 1000)), max_size=120))
@settings(max_examples=60, deadline=None)
def test_any_sequence(steps: list[tuple[int, int, int]]) -> None:
    model = Model(6000)
    for step in steps:
        model.step(*step)
    model.finish()


@pytest.mark.slow
def test_a_hundred_thousand_operations() -> None:
    """A working set of about half the heap, as of a program that runs for long."""
    chance, model = random.Random(1), Model(65536)
    seen = []
    for number in range(OPERATIONS):
        kind = chance.choice((0, 5)) if len(model.blocks) < 120 else 5
        if len(model.blocks) < 60:
            kind = 0
        model.step(9 if number % 10 == 9 else kind, chance.choice((8, 24, 60, 200, 700)), chance.randrange(1000))
        if number % 5000 == 4999:
            model.heap.check()
            seen.append(model.fragmentation())
    assert model.fragmentation() < 0.25
    assert sum(seen) / len(seen) < 0.25
    model.finish()


class Program:
    """A runtime under random use: modules loaded, instances made, exec envs, host allocations, growth."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        cpu = insitu.sim.install(insitu.sim.Cpu("cortex-m4f"))
        from insitu import port

        cpu.map_flash(FLASH, aot.compile_wasm(bytes(wasmtime.wat2wasm(TEXT)), "cortex-m4f"))
        self.port = port
        self.runtime = port.Runtime(bytearray(400_000))
        self.module = self.runtime.load(FLASH)
        self.start = self.runtime.heap.used()
        self.instances: list[Any] = []
        self.envs: list[Any] = []
        self.mallocs: list[int] = []

    def step(self) -> None:
        action = self.chance.choice((self.instantiate, self.env, self.malloc, self.free, self.grow, self.destroy))
        try:
            action()
        except self.port.OutOfHeap:
            self.destroy()

    def instantiate(self) -> None:
        if len(self.instances) < 3:
            self.instances.append(self.module.instantiate(stack_size=self.chance.choice((0, 1024))))

    def env(self) -> None:
        if self.instances and len(self.envs) < 6:
            self.envs.append(self.chance.choice(self.instances).create_exec_env(self.chance.randrange(512, 4096)))

    def malloc(self) -> None:
        address = self.runtime.malloc(self.chance.randrange(1, 3000))
        if address:
            self.mallocs.append(address)

    def free(self) -> None:
        if self.mallocs:
            self.runtime.free(self.mallocs.pop(self.chance.randrange(len(self.mallocs))))

    def grow(self) -> None:
        if self.instances:
            instance = self.chance.choice(self.instances)
            instance.memory.grow(self.chance.randrange(2))
            instance.exports.t.grow(self.chance.randrange(3))

    def destroy(self) -> None:
        if self.instances:
            instance = self.instances.pop(self.chance.randrange(len(self.instances)))
            self.envs = [env for env in self.envs if env.instance is not instance]
            instance.deinstantiate()

    def finish(self) -> None:
        while self.instances:
            self.destroy()
        while self.mallocs:
            self.free()
        assert self.runtime.heap.used() == self.start


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_every_byte_has_an_owner(seed: int) -> None:
    program = Program(seed)
    from insitu.port.host import telemetry

    for _ in range(150):
        program.step()
        snapshot = decode(telemetry.snapshot(program.runtime))
        check_sums(snapshot)
        assert sum(owners(snapshot).values()) == program.runtime.heap.used()
    program.runtime.heap.check()
    program.finish()


def test_the_overhead_of_a_block_is_at_most_eight_bytes() -> None:
    model = Model(60000)
    before = model.heap.used() + model.heap.overhead()
    for _ in range(1000):
        model.heap.alloc(20)
    assert (model.heap.used() + model.heap.overhead() - before) / 1000 <= 20 + 8
