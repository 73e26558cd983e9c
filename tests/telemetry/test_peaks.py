"""Peaks begin anew where they are told to, and what is in use stays as it was."""

from __future__ import annotations

from typing import Any

import insitu.sim
import pytest
from insitu.telemetry.decode import decode

from tests.port.conftest import FLASH, image

TARGETS = ("cortex-m4f", "rv32imc")
# f(n) has n bytes of aux stack in use and asks the host, which may look meanwhile; deep calls itself.
TEXT = """(module (import "env" "ask" (func $ask)) (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 1024))
  (global (export "__data_end") i32 (i32.const 1040)) (global (export "__heap_base") i32 (i32.const 1048))
  (func (export "f") (param i32) (result i32)
    (global.set $sp (i32.sub (global.get $sp) (local.get 0)))
    (i32.store (global.get $sp) (i32.const -1))
    (call $ask)
    (i32.load (global.get $sp))
    (global.set $sp (i32.add (global.get $sp) (local.get 0))))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.mul (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 3))) (else (i32.const 1)))))"""

GROWS = """(module (memory 1 3) (func (export "grow") (result i32) (memory.grow (i32.const 1))))"""


class Device:
    """Attributes: ask: what the module's import does."""

    def __init__(self, target: str) -> None:
        cpu = insitu.sim.install(insitu.sim.Cpu(target))
        from insitu import port
        from insitu.port.host import telemetry

        cpu.map_flash(FLASH[target], image(TEXT, target))
        self.telemetry = telemetry
        self.ask: Any = lambda: None
        self.runtime = port.Runtime(bytearray(20_000))
        imports = {"env": {"ask": lambda: self.ask()}}
        self.instance = self.runtime.load(FLASH[target]).instantiate(stack_size=4096, imports=imports)

    def peaks(self) -> tuple[int, int, int]:
        """Of the operand stack, the aux stack and the global heap."""
        found = decode(self.telemetry.snapshot(self.runtime))
        return (
            found["exec_envs"][0]["stack_peak"],
            found["instances"][0]["aux_stack_peak"],
            found["global_heap"]["peak"],
        )


@pytest.fixture(params=TARGETS)
def device(request: pytest.FixtureRequest) -> Device:
    return Device(request.param)


def test_of_each_pool(device: Device) -> None:
    runtime, instance = device.runtime, device.instance
    before = device.peaks()
    runtime.free(runtime.malloc(5000))
    instance.exports.f(400)
    instance.exports.deep(50)
    high = device.peaks()
    assert (high[0] > 400, high[1], high[2] >= before[2] + 5000) == (True, 400, True)
    device.telemetry.reset_peaks()
    assert device.peaks() == (0, 0, runtime.heap.used())
    instance.exports.f(80)
    low = device.peaks()
    assert (0 < low[0] < high[0], low[1]) == (True, 80)


def test_while_a_call_is_running_what_it_uses_counts(device: Device) -> None:
    """And is left alone: the value that f keeps on its aux stack is there when it goes on."""
    seen = []

    def ask() -> None:
        device.telemetry.reset_peaks()
        seen.append(device.peaks())

    device.instance.exports.deep(50)
    device.ask = ask
    assert device.instance.exports.f(400) == -1
    ((operand, aux, _),) = seen
    assert aux == 400
    assert 0 < operand < 400


def test_of_an_app_heap_and_of_an_allocator() -> None:
    cpu = insitu.sim.install(insitu.sim.Cpu("cortex-m4f"))
    from insitu import port
    from insitu.port.host import telemetry

    cpu.map_flash(FLASH["cortex-m4f"], image(GROWS, "cortex-m4f"))
    runtime = port.Runtime()
    instance = runtime.load(FLASH["cortex-m4f"]).instantiate(stack_size=1024, heap_size=1000)
    instance.module_free(instance.module_malloc(200))
    runtime.free(runtime.malloc(3000))
    telemetry.reset_peaks(runtime)
    found = decode(telemetry.snapshot(runtime))
    assert found["instances"][0]["app_heap_peak"] == 0
    assert found["global_heap"]["peak"] == found["global_heap"]["used"] == runtime.heap.used()


def test_without_a_runtime(device: Device) -> None:
    device.runtime.destroy()
    device.telemetry.reset_peaks()
