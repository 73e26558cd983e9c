"""Calls of interruptible modules, stopped in every way: by the console, from outside, by time, by fuel."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import wasmtime
from insitu import aot

from tests.stopped.module import ENDLESS, image


@pytest.fixture(params=["cortex-m0plus", "cortex-m4f", "rv32imc"])
def target(request: pytest.FixtureRequest) -> str:
    """One for each routine that polls."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator takes milliseconds for what a board does in one."""
    from insitu.port.run import limits, polls

    for module in limits, polls:
        monkeypatch.setattr(module, "SLICE", 500)


def _instance(device: Any, note: Any = lambda n: None, stack_size: int = 4096) -> Any:
    module = device.load_image(image(device.target))
    return module.instantiate(stack_size=stack_size, imports={"env": {"note": note}})


def test_a_helper_of_misaligned_loads(device: Any) -> None:
    """Its first block has no name."""
    text = """(module (memory 1) (data (i32.const 4) "\\01\\02\\03\\04\\05")
      (func (export "at") (param i32) (result i32) (local i32)
        (loop (local.set 1 (i32.add (local.get 1) (i32.load align=1 (local.get 0))))
          (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1)))"""
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), device.target, aot.Options(interruptible=True))
    instance = device.load_image(image).instantiate(stack_size=1024)
    assert instance.exports.at(4) == 0x04030201 + 0x03020100 + 0x02010000 + 0x01000000


@contextmanager
def _whole(device: Any, instance: Any) -> Iterator[None]:
    """Afterwards the heap is as it was, and calls are what they are."""
    used, env = device.runtime.heap.used(), instance.exec_env
    yield
    device.runtime.heap.check()
    assert device.runtime.heap.used() == used
    assert env.busy == device.runtime.stopped == 0 and not device.runtime.lock[0]
    assert env.call("fib", 10) == 55


def _after(seconds: float, what: Any) -> None:
    signal.signal(signal.SIGALRM, lambda *_: what())
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("name", "arguments"), ENDLESS)
def test_terminated(device: Any, name: str, arguments: tuple[int, ...]) -> None:
    instance = _instance(device)
    with _whole(device, instance):
        _after(0.02, instance.exec_env.terminate)
        with pytest.raises(
            device.port.Trap, match=f'"terminated by user" in function "{name}" at code offset 0x'
        ) as stop:
            instance.exec_env.call(name, *arguments)
        assert stop.value.frames and stop.value.dump().startswith("insitu-trap ")


# Turns that are known when the loop begins, few of them, and an import behind another call.
_ASKING = """(module (import "env" "note" (func $note (param i32))) (table 1 funcref) (elem (i32.const 0) $call)
  (func $call (param i32) (call $note (local.get 0)))
  (func (export "many") (param i32) (loop (call $note (local.get 0))
    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "few") (param i32) (local i32) (loop (call $note (local.get 0))
    (br_if 0 (i32.ne (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 400)))))
  (func (export "behind") (param i32) (loop (call_indirect (param i32) (local.get 0) (i32.const 0))
    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"""


@pytest.mark.parametrize("name", ["many", "few", "behind"])
def test_imports_that_take_their_time(device: Any, name: str) -> None:
    """What stops a call while one runs is not seen after hundreds of them."""
    seen: list[int] = []

    def note(n: int) -> None:
        seen.append(n)
        time.sleep(pause)
        if len(seen) == last:
            instance.exec_env.terminate()

    module = device.load_image(
        aot.compile_wasm(bytes(wasmtime.wat2wasm(_ASKING)), device.target, aot.Options(interruptible=True))
    )
    instance = module.instantiate(stack_size=1024, imports={"env": {"note": note}})
    pause, last = 0.0, 7
    with pytest.raises(device.port.Trap, match="terminated by user"):
        instance.exec_env.call(name, 400)
    assert len(seen) == 7
    seen.clear()
    pause, last = 0.01, 0
    with pytest.raises(device.port.Trap, match="time limit"):
        instance.exec_env.call(name, 400, timeout_ms=30)
    assert len(seen) < 10


def test_time_is_over(device: Any) -> None:
    instance = _instance(device)
    for name, arguments in ENDLESS:
        with _whole(device, instance), pytest.raises(device.port.Trap, match='"time limit exceeded" in function'):
            instance.exec_env.call(name, *arguments, timeout_ms=20)
    assert instance.exec_env.call("fib", 10, timeout_ms=10_000) == 55


def test_interrupted(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MicroPython raises it: where Python's code runs at a poll."""
    from insitu.port.run import polls

    instance = _instance(device)
    real, left = polls.peek, 9

    def peek(base: int, offset: int) -> int:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return int(real(base, offset))

    monkeypatch.setattr(polls, "peek", peek)
    with (
        _whole(device, instance),
        pytest.raises(KeyboardInterrupt, match='stopped in function "forever" at code offset'),
    ):
        instance.exports.forever()


def _with_fuel(instance: Any, first: int, more: int, name: str, *arguments: int) -> tuple[int, list[int]]:
    """The call's result, and what was left where it was stopped."""
    from insitu.port.run.limits import OutOfFuel

    left = []
    try:
        return instance.exec_env.call(name, *arguments, fuel=first), left
    except OutOfFuel as error:
        stopped = error
    while True:
        left.append(instance.exec_env.fuel)
        try:
            return stopped.go_on(more), left
        except OutOfFuel as error:
            stopped = error


@pytest.mark.parametrize(
    ("name", "arguments"), [("mix", (4000,)), ("fib", (15,)), ("nest", (40, 50)), ("notes", (300,)), ("again", (1,))]
)
def test_fuel(device: Any, name: str, arguments: tuple[int, ...]) -> None:
    """Little by little it comes to the same, with as many stops each time."""
    instance = _instance(device)
    try:
        wanted = instance.exec_env.call(name, *arguments)
    except device.port.Trap as error:
        wanted = str(error)
    seen = []
    for _ in range(2):
        with _whole(device, instance):
            try:
                result, left = _with_fuel(instance, 100, 57, name, *arguments)
            except device.port.Trap as error:
                result, left = str(error), []
        assert result == wanted
        seen.append(left)
    assert seen[0] == seen[1]
    assert all(n <= 1 for n in seen[0])
    assert name == "again" or len(seen[0]) > 2


def test_fuel_is_exact(device: Any) -> None:
    """A call takes what it takes, and one less stops it."""
    from insitu.port.run.limits import OutOfFuel

    instance, env = _instance(device), None
    env = instance.exec_env
    env.call("fib", 12, fuel=10_000)
    taken = 10_000 - env.fuel
    assert taken > 100
    env.call("fib", 12, fuel=taken)
    assert env.fuel == 0
    with pytest.raises(OutOfFuel):
        env.call("fib", 12, fuel=taken - 1)


def test_go_on_only_where_nothing_ran(make_device: Callable[[int], Any]) -> None:
    from insitu.port.run.limits import OutOfFuel

    device = make_device(600_000)
    instance, _ = _instance(device), _instance(device)  # whose memory lies behind the first one's
    for between in (lambda: instance.exports.fib(3), lambda: instance.memory.grow(1)):
        with pytest.raises(OutOfFuel) as stopped:
            instance.exec_env.call("forever", fuel=10)
        between()
        with pytest.raises(device.port.Error, match="the call cannot go on"):
            stopped.value.go_on(10)


def test_nothing_moves_while_a_call_is_stopped(
    make_device: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code has the place of linear memory in a register."""
    from insitu.port.run import polls

    device = make_device(600_000)
    instance, _ = _instance(device), _instance(device)
    grown: list[Any] = []
    real = polls.peek

    def peek(base: int, offset: int) -> int:
        if device.runtime.stopped and not grown:
            grown.append(None)
            grown[0] = (instance.exports.grow(1), instance.memory.pages)
        return int(real(base, offset))

    monkeypatch.setattr(polls, "peek", peek)
    with pytest.raises(device.port.Trap, match="time limit"):
        instance.exec_env.call("forever", timeout_ms=10)
    assert grown == [(-1, 1)]
    assert instance.exports.grow(1) == 1
    device.runtime.heap.check()


def test_not_built_for_it(device: Any) -> None:
    instance = device.load_image(image(device.target, False)).instantiate(imports={"env": {"note": print}})
    for limit in ({"fuel": 9}, {"timeout_ms": 9}):
        with pytest.raises(device.port.Error, match="insitu build --interruptible"):
            instance.exec_env.call("fib", 10, **limit)
