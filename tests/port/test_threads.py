"""Threads as tasks: spawned, waiting, notified, and ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import wasmtime
from insitu import aot
from insitu.port.errors import Trap
from insitu.port.host.threads import Threads
from insitu.port.host.wasi import Exit, Wasi
from insitu.port.run.waiting import notify
from insitu.port.xip.layout import CELL_SIZE

from tests.port.conftest import Device


@pytest.fixture(params=("cortex-m4f", "rv32imc"))
def target(request: pytest.FixtureRequest) -> str:
    """Python's part is the same on all; tests/port/test_atomics.py has code of all."""
    return str(request.param)


# main starts so many threads of a kind, and waits for all. A thread keeps its own count of calls in a global, adds its
# number to a word, says that it has ended; or traps, exits, raises in an import, waits for ever.
MODULE = """(module
  (import "env" "memory" (memory 1 2 shared))
  (import "env" "fail" (func $fail))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (global $calls (mut i32) (i32.const 0))
  (func (export "main") (param $kind i32) (param $count i32) (result i32) (local $i i32)
    (loop $next
      (if (i32.lt_u (local.get $i) (local.get $count)) (then
        (if (i32.lt_s (call $spawn (local.get $kind)) (i32.const 0))
          (then (return (i32.sub (i32.const -1) (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))
    (loop $again
      (local.set $i (i32.atomic.load (i32.const 0)))
      (if (i32.ne (local.get $i) (local.get $count)) (then
        (drop (memory.atomic.wait32 (i32.const 0) (local.get $i) (i64.const -1)))
        (br $again))))
    (i32.atomic.load (i32.const 4)))
  (func (export "wasi_thread_start") (param $thread i32) (param $kind i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (drop (call $yield))
    (block $waits (block $raises (block $exits (block $traps (block $adds (block $grows
      (br_table $adds $traps $exits $raises $waits $grows (local.get $kind)))
      (drop (memory.grow (i32.const 1))) (i32.store (i32.const 65536) (i32.const 8)) (br $adds))
      (drop (i32.atomic.rmw.add (i32.const 4) (i32.mul (global.get $calls) (local.get $thread))))
      (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
      (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
      (return)) unreachable)
      (call $exit (i32.const 7)))
      (call $fail))
    (drop (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const -1)))))"""


def _fail() -> None:
    raise KeyError("of an import")


def _threads(device: Device, **options: Any) -> Threads:
    wasi, module = Wasi(), device.load(MODULE)
    return Threads(module, wasi.imports(module, {"env": {"fail": _fail}}), 1024, wasi, **options)


def _whole(threads: Threads) -> None:
    """Nothing is left but the first instance, and with that everything is given back."""
    module, heap = threads.module, threads.module.runtime.heap
    assert module.instances == [threads.instance] and not threads.instance.exec_envs
    threads.instance.deinstantiate()
    module.unload()
    heap.check()
    assert heap.used() == CELL_SIZE + 4  # the runtime's, with its block's header


def test_each_has_its_own_globals_and_number(device: Device) -> None:
    threads = _threads(device)
    assert asyncio.run(threads.run("main", 0, 5)) == 1 + 2 + 3 + 4 + 5
    _whole(threads)


def test_memory_that_grows_is_everybodys(device: Device) -> None:
    """It may lie elsewhere afterwards."""
    threads = _threads(device)
    assert asyncio.run(threads.run("main", 5, 2)) == 1 + 2
    assert threads.instance.memory.pages == 2 and threads.instance.memory[65536] == 8
    _whole(threads)


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        pytest.param(1, Trap, "unreachable", id="traps"),
        pytest.param(2, Exit, "exit code 7", id="exits"),
        pytest.param(3, KeyError, "of an import", id="an import raises"),
    ],
)
def test_one_ends_all(device: Device, kind: int, error: type[Exception], text: str) -> None:
    threads = _threads(device)
    with pytest.raises(error, match=text):
        asyncio.run(threads.run("main", kind, 3))
    _whole(threads)


def test_the_first_ends_all(device: Device) -> None:
    """The others wait, and one has not begun."""
    threads = _threads(device)

    async def first() -> int:
        threads.instance.memory[0:4] = bytes([3, 0, 0, 0])
        return int(await threads.run("main", 4, 3))

    assert asyncio.run(first()) == 0
    _whole(threads)


def test_given_up(device: Device) -> None:
    threads = _threads(device)
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(threads.run("main", 4, 3), 0.05))
    _whole(threads)


def test_no_room_for_another(make_device: Callable[[int], Device]) -> None:
    """The number of threads that there was room for is what the program is told."""
    threads = _threads(make_device(75_000))
    started = -1 - asyncio.run(threads.run("main", 4, 50))
    assert 2 < started < 10
    _whole(threads)


def test_python_notifies(device: Device) -> None:
    """A task beside the program's writes a word that a thread waits for, and tells."""
    threads = _threads(device)

    async def both() -> Any:
        program = asyncio.create_task(threads.run("main", 4, 1))
        await asyncio.sleep(0.01)
        threads.instance.memory[0:8] = bytes([1, 0, 0, 0, 9, 0, 0, 0])
        assert notify(threads.instance, 0, 5) == 1
        return await program

    assert asyncio.run(both()) == 9
    _whole(threads)


TIMED = """(module (memory (export "memory") 1 1 shared)
  (func (export "wait") (param i64) (result i32)
    (memory.atomic.wait32 (i32.const 0) (i32.const 0) (local.get 0))))"""


def test_timeouts_and_turns(device: Device) -> None:
    """Of several that wait for a word who came first is woken first; another value, and time, end a wait, too."""
    instance, woken = device.instantiate(TIMED), []

    async def wait(number: int, timeout: int) -> None:
        woken.append((number, await instance.exports.wait.call_async(timeout, stack_size=512)))

    async def all_of_them() -> None:
        waiting = [asyncio.create_task(wait(number, -1)) for number in range(4)]
        late = asyncio.create_task(wait(9, 20_000_000))
        await asyncio.sleep(0)
        assert notify(instance, 0, 2) == 2 and notify(instance, 4, 1) == 0
        await late
        assert notify(instance, 0, 2**32 - 1) == 2
        await asyncio.gather(*waiting)
        instance.memory[0] = 1
        await wait(5, -1)

    asyncio.run(all_of_them())
    assert woken == [(0, 0), (1, 0), (9, 2), (2, 0), (3, 0), (5, 1)]


# Each of two threads lets the other go on by a word, and looks at the other's again and again.
SPINNING = """(module
  (import "env" "memory" (memory 1 1 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (func $pass (param $own i32) (param $other i32) (param $rounds i32)
    (loop $round
      (i32.atomic.store (local.get $other) (i32.add (i32.atomic.load (local.get $other)) (i32.const 1)))
      (loop $spin (br_if $spin (i32.eqz (i32.atomic.load (local.get $own)))))
      (drop (i32.atomic.rmw.sub (local.get $own) (i32.const 1)))
      (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
  (func (export "main") (param $rounds i32) (result i32)
    (drop (call $spawn (local.get $rounds)))
    (call $pass (i32.const 0) (i32.const 4) (local.get $rounds))
    (i32.const 1))
  (func (export "wasi_thread_start") (param i32) (param $rounds i32)
    (call $pass (i32.const 4) (i32.const 0) (local.get $rounds))))"""


@pytest.mark.parametrize("turns", [1, 7, 1000])
def test_threads_that_look_again_and_again_share_the_cpu(device: Device, turns: int) -> None:
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(SPINNING)), device.target, aot.Options(interruptible=True))
    threads = Threads(device.load_image(image), stack_size=1024, slice=turns)
    assert asyncio.run(asyncio.wait_for(threads.run("main", 50), 60)) == 1
    _whole(threads)
