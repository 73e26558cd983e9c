"""Calls that share the CPU with tasks: after so many turns of their loops, others go on."""

from __future__ import annotations

import asyncio
import functools
from random import Random
from typing import Any

import pytest
import wasmtime
from insitu import aot
from insitu.port.errors import Error

from tests.awaited import tasks
from tests.port.conftest import Device

TEXT = """(module
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (memory (export "memory") 1 9)
  (func (export "mix") (param i32 i32) (result i32)
    (loop
      (local.set 1 (i32.xor (i32.mul (local.get 1) (i32.const 33)) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "waits") (param i32) (result i32) (local i32)
    (loop
      (local.set 1 (i32.add (local.get 1) (call $wait (local.get 0))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
        (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "forever") (loop (br 0))))"""


@functools.cache
def _image(target: str, interruptible: bool) -> bytes:
    return aot.compile_wasm(bytes(wasmtime.wat2wasm(TEXT)), target, aot.Options(interruptible=interruptible))


@pytest.fixture(params=["cortex-m0plus", "rv32imc"])
def device(request: pytest.FixtureRequest) -> Device:
    return Device(request.param, 500_000)


async def _wait(what: int) -> int:
    await tasks.Turn()
    return what


def _instance(device: Device, interruptible: bool = True) -> Any:
    module = device.load_image(_image(device.target, interruptible))
    return module.instantiate(stack_size=4096, imports={"env": {"wait": _wait}})


def _steps(call: Any) -> tuple[int, Any]:
    """How often the call lets others run, and its result."""
    for steps in range(10_000):
        try:
            call.send(None)
        except StopIteration as ended:
            return steps, ended.value
    raise AssertionError("it has no end")


def _mixed(count: int, value: int) -> int:
    for left in range(count, 0, -1):
        value = (value * 33 & 0xFFFFFFFF) ^ left
    return value - (value >> 31 << 32)


def test_others_run_after_so_many_turns(device: Device) -> None:
    exports = _instance(device).exports
    for turns, times in ((100, 10), (10, 100), (1001, 0)):
        steps, result = _steps(exports.mix.call_async(1000, 1, slice=turns))
        assert times - 1 <= steps <= times  # whether the turn that ends a loop counts is the compiler's to say
        assert result == _mixed(1000, 1)
    assert _steps(exports.mix.call_async(1000, 1)) == (0, _mixed(1000, 1))
    steps, result = _steps(exports.fib.call_async(12, slice=50))
    assert result == 144
    assert steps > 1
    assert _steps(exports.waits.call_async(30, slice=10)) == (33, 465)


def test_sliced_calls_interleaved(device: Device) -> None:
    instance, random = _instance(device), Random(1)
    exports, free = instance.exports, device.runtime.heap.free_bytes()
    calls = [("mix", (700, n)) for n in range(5)] + [("fib", (9,)), ("fib", (10,)), ("waits", (20,))]
    wanted = [*(_mixed(700, n) for n in range(5)), 34, 55, 210]
    running = {n: getattr(exports, name).call_async(*args, slice=60) for n, (name, args) in enumerate(calls)}
    found = tasks.finish(running, random)
    assert [found[n] for n in range(len(calls))] == wanted
    assert device.runtime.heap.free_bytes() == free


def test_a_call_without_end_is_cancelled(device: Device) -> None:
    """By who has turns beside it, and by asyncio.wait_for."""
    instance = _instance(device)
    free = device.runtime.heap.free_bytes()

    async def main() -> int:
        endless = asyncio.create_task(instance.exports.forever.call_async(slice=200))
        for _ in range(5):
            await asyncio.sleep(0)
        assert endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(instance.exports.forever.call_async(slice=200), 0.01)
        return int(await instance.exports.mix.call_async(10, 1, slice=3))

    assert asyncio.run(main()) == _mixed(10, 1)
    assert device.runtime.heap.free_bytes() == free
    assert instance.exports.fib(10) == 55
    device.runtime.heap.check()


def test_memory_stays_where_it_is_between_slices(device: Device) -> None:
    """Code may have its place in a register: it does not grow, unless it need not move."""
    instance = _instance(device)
    beside = [_instance(device) for _ in range(2)]
    call = instance.exports.mix.call_async(1000, 1, slice=100)
    call.send(None)
    assert instance.exports.grow(1) == -1
    assert _steps(call)[1] == _mixed(1000, 1)
    before = instance.memory_offset()
    assert instance.exports.grow(1) == 1
    assert instance.memory_offset() != before
    assert len(beside) == 2


def test_terminated_between_slices(device: Device) -> None:
    instance = _instance(device)
    call = instance.exports.forever.call_async(slice=100)
    call.send(None)
    instance.exec_envs[-1].terminate()
    with pytest.raises(device.port.Trap, match="terminated by user"):
        call.send(None)
    assert instance.exports.fib(10) == 55


def test_what_cannot_be_sliced(device: Device) -> None:
    with pytest.raises(Error, match="insitu build --interruptible"):
        _instance(device, interruptible=False).exports.mix.call_async(1, 1, slice=10).send(None)
    with pytest.raises(ValueError, match="1 or more turns"):
        _instance(device).exports.mix.call_async(1, 1, slice=0).send(None)
