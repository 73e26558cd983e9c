"""A snapshot says what the runtime itself says, and its sums add up, whatever was done before."""

from __future__ import annotations

from typing import Any

import insitu.sim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from insitu.errors import InsituError
from insitu.telemetry.ask import table
from insitu.telemetry.decode import check_sums, decode, owners
from insitu.telemetry.frames import Scanner
from rich.console import Console

from tests.port.conftest import FLASH, image

SMALL = """(module (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 512))
  (global (export "__data_end") i32 (i32.const 600)) (global (export "__heap_base") i32 (i32.const 608))
  (data (i32.const 512) "x")
  (func (export "go") (param i32) (result i32)
    (global.set $sp (i32.sub (global.get $sp) (local.get 0)))
    (i32.store8 (global.get $sp) (i32.const 1))
    (global.set $sp (i32.add (global.get $sp) (local.get 0)))
    (global.get $sp)))"""
GROWS = """(module (import "env" "k" (global $k i64)) (memory 1 3) (table $t 2 10 funcref)
  (func (export "go") (param i32) (result i32) (memory.grow (local.get 0))))"""
TEXTS = (SMALL, GROWS)
TARGET = "rv32imc"

Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["instantiate", "instantiate", "env", "call", "malloc", "free", "deinstantiate", "destroy"]),
        st.integers(0, 5),
        st.integers(1, 400),
    ),
    max_size=14,
)


class Device:
    """A runtime to which arbitrary things are done; what does not apply is left out."""

    def __init__(self) -> None:
        cpu = insitu.sim.install(insitu.sim.Cpu(TARGET))
        from insitu import port

        self.port = port
        self.runtime = port.Runtime(bytearray(400_000))
        self.modules = []
        for number, text in enumerate(TEXTS):
            address = FLASH[TARGET] + number * 0x10000
            cpu.map_flash(address, image(text, TARGET))
            self.modules.append(self.runtime.load(address))
        self.instances: list[Any] = []
        self.blocks: list[int] = []

    def step(self, what: str, which: int, size: int) -> None:
        """Do one thing."""
        if what == "instantiate":
            module = self.modules[which % 2]
            self.instances.append(module.instantiate(stack_size=512 + size, imports={"env": {"k": 5}}))
        elif what == "malloc":
            self.blocks.append(self.runtime.malloc(size))
        elif what == "free" and self.blocks:
            self.runtime.free(self.blocks.pop(which % len(self.blocks)))
        elif self.instances and what in ("env", "call", "deinstantiate", "destroy"):
            self._to_an_instance(what, self.instances[which % len(self.instances)], size)

    def _to_an_instance(self, what: str, instance: Any, size: int) -> None:
        if what == "env":
            instance.create_exec_env(1024 + size)
        elif what == "call":
            instance.exports.go(size % 3 if instance.module is self.modules[1] else size)
        elif what == "destroy":
            instance.exec_envs[-1].destroy()
            if not instance.exec_envs:
                instance.exec_env = instance.create_exec_env(1024)
        else:
            instance.deinstantiate()
            self.instances.remove(instance)

    def snapshot(self) -> dict[str, Any]:
        """What arrives on the host."""
        from insitu.port.host import telemetry

        sent = bytearray()
        telemetry.send(self.runtime, sent.extend)
        bodies, other = Scanner().feed(bytes(sent))
        assert (len(bodies), other) == (1, b"")
        return decode(bodies[0])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_the_same_as_the_runtime_says(todo: list[Step]) -> None:
    device = Device()
    for step in todo:
        try:
            device.step(*step)
        except device.port.OutOfHeap:
            continue
    found, heap = device.snapshot(), device.runtime.heap
    check_sums(found)
    shown = found["global_heap"]
    assert shown["size"] == 400_000
    assert (shown["used"], shown["free"], shown["peak"]) == (heap.used(), heap.free_bytes(), heap.peak())
    assert shown["largest_free"] == heap.largest_free()
    assert shown["host"] == sum(heap.size_of(block - device.runtime.base) for block in device.blocks)
    assert [module["address"] for module in found["modules"]] == [module.base for module in device.modules]
    by_id = {record["id"]: record for record in found["instances"]}
    assert by_id.keys() == {instance.id for instance in device.instances}
    for instance in device.instances:
        record = by_id[instance.id]
        assert record["memory"] == instance.memory_size()
        assert (record["aux_stack_bottom"], record["aux_stack_size"]) == instance.aux_stack()
        assert record["aux_stack_peak"] == instance.aux_stack_used()
        envs = [env for env in found["exec_envs"] if env["instance"] == instance.id]
        assert [(env["stack_size"], env["stack_peak"]) for env in envs] == [
            (env.stack_size, env.stack_used()) for env in instance.exec_envs
        ]
    assert sum(owners(found).values()) == heap.used()


def test_the_depth_of_the_aux_stack_is_what_the_program_used() -> None:
    device = Device()
    device.step("instantiate", 0, 0)
    for depth, peak in ((8, 8), (400, 400), (16, 400)):
        device.instances[0].exports.go(depth)
        assert device.snapshot()["instances"][0]["aux_stack_peak"] == peak


@pytest.mark.parametrize(
    ("key", "change", "says"),
    [("used", 8, "have an owner"), ("host", -4, "have an owner"), ("free", 8, "parts add up to")],
)
def test_sums_that_do_not_add_up(key: str, change: int, says: str) -> None:
    device = Device()
    device.step("instantiate", 0, 8)
    device.step("malloc", 0, 100)
    found = device.snapshot()
    check_sums(found)
    found["global_heap"][key] += change
    with pytest.raises(InsituError, match=says):
        check_sums(found)


def test_no_runtime() -> None:
    device = Device()
    device.runtime.destroy()
    found = device.snapshot()
    assert (found["global_heap"], found["modules"]) == (None, [])


def test_the_table_has_every_pool() -> None:
    device = Device()
    device.step("instantiate", 0, 24)
    device.step("malloc", 0, 100)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(device.snapshot()))
    shown = capture.get()
    for text in ("global heap", "400000", "linear memory", "608", "aux stack", "512", "operand stack", "536", "malloc"):
        assert text in shown
