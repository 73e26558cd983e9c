"""Loops of interruptible modules that walk through memory: they pay, and poll, where they end or jump."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import wasmtime
from insitu import aot

# 0 ends a text, and a program; 1: count; 2: go on where the next byte says.
_WASM = bytes(
    wasmtime.wat2wasm(
        """(module (memory 1)
  (data (i32.const 16) "\\01\\02\\14\\07\\01\\01\\00") (data (i32.const 32) "\\01\\02\\20")
  (data (i32.const 40) "\\02\\28")
  (func $text (param i32 i32)
    (loop (i32.store8 (local.get 0) (i32.const 7)) (local.set 0 (i32.add (local.get 0) (i32.const 1)))
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))))
  (func $length (export "length") (param i32) (result i32) (local i32)
    (local.set 1 (local.get 0))
    (block (loop (br_if 1 (i32.eqz (i32.load8_u (local.get 1))))
      (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br 0)))
    (i32.sub (local.get 1) (local.get 0)))
  (func (export "lengths") (param i32 i32) (result i32) (local i32)
    (call $text (i32.const 1024) (i32.const 200))
    (loop (local.set 2 (i32.add (local.get 2) (call $length (local.get 0))))
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (local.get 2))
  (func (export "back") (param i32) (result i32) (local i32)
    (call $text (i32.const 1024) (i32.const 200))
    (loop (local.set 1 (i32.add (local.get 1) (i32.load (local.get 0))))
      (br_if 0 (i32.load (local.tee 0 (i32.sub (local.get 0) (i32.const 4))))))
    (local.get 1))
  (func (export "interpret") (param i32) (result i32) (local i32 i32)
    (loop
      (local.set 2 (i32.load8_u (local.get 0)))
      (local.set 0 (i32.add (local.get 0) (i32.const 1)))
      (if (i32.eq (local.get 2) (i32.const 2)) (then (local.set 0 (i32.load8_u (local.get 0))))
        (else (local.set 1 (i32.add (local.get 1) (local.get 2)))))
      (br_if 0 (local.get 2)))
    (local.get 1)))"""
    )
)
_ENDING: list[tuple[str, tuple[int, ...]]] = [
    ("length", (1024,)),
    ("lengths", (1024, 9)),
    ("lengths", (1222, 30)),
    ("back", (1204,)),
    ("interpret", (16,)),
]
_ENDLESS: list[tuple[str, tuple[int, ...]]] = [
    ("lengths", (1024, 0)),  # 2**32 times
    ("lengths", (0, 0)),  # of nothing
    ("interpret", (32,)),
    ("interpret", (40,)),  # a jump to itself
]


@pytest.fixture(params=["cortex-m0plus", "cortex-m4f", "rv32imc"])
def target(request: pytest.FixtureRequest) -> str:
    """One for each routine that polls."""
    return str(request.param)


@functools.cache
def _image(target: str) -> bytes:
    return aot.compile_wasm(_WASM, target, aot.Options(interruptible=True))


@pytest.fixture
def instance(device: Any) -> Any:
    return device.load_image(_image(device.target)).instantiate(stack_size=1024)


def _by_and_by(instance: Any, fuel: int, name: str, arguments: tuple[int, ...]) -> tuple[int, int]:
    """The result, and how often the call was given more fuel."""
    from insitu.port.run.limits import OutOfFuel

    try:
        return instance.exec_env.call(name, *arguments, fuel=fuel), 0
    except OutOfFuel as error:
        stopped, times = error, 1
    while True:
        try:
            return stopped.go_on(fuel), times
        except OutOfFuel as error:
            stopped, times = error, times + 1


def test_walks_come_to_the_same(instance: Any) -> None:
    store = wasmtime.Store()
    oracle = wasmtime.Instance(store, wasmtime.Module(store.engine, _WASM), []).exports(store)
    for name, arguments in _ENDING:
        wanted = oracle[name](store, *arguments)  # type: ignore[operator]
        assert instance.exec_env.call(name, *arguments) == wanted
        first = _by_and_by(instance, 3, name, arguments)
        assert first[0] == wanted
        assert _by_and_by(instance, 3, name, arguments) == first


def test_walks_are_counted(instance: Any) -> None:
    """Nine times as far takes about nine times as much, and what is not there stops it."""
    from insitu.port.run.limits import OutOfFuel

    taken = []
    for times in (1, 10):
        instance.exec_env.call("lengths", 1024, times, fuel=100_000)
        taken.append(100_000 - instance.exec_env.fuel)
    assert 9 * 50 <= taken[1] - taken[0] <= 9 * 250
    instance.exec_env.call("lengths", 1024, 10, fuel=taken[1])
    with pytest.raises(OutOfFuel):
        instance.exec_env.call("lengths", 1024, 10, fuel=taken[0])


def test_what_does_not_end_is_stopped(device: Any, instance: Any) -> None:
    from insitu.port.run.limits import OutOfFuel

    for name, arguments in _ENDLESS:
        with pytest.raises(OutOfFuel):
            instance.exec_env.call(name, *arguments, fuel=5000)
        instance.exec_env.terminate()
        with pytest.raises(device.port.Trap, match="terminated by user"):
            instance.exec_env.call(name, *arguments)
    assert instance.exec_env.call("length", 1024) == 200


def test_fuel_is_whole_where_a_walk_traps(device: Any, instance: Any) -> None:
    """What the word has of its place is gone."""
    with pytest.raises(device.port.Trap, match="out of bounds"):
        instance.exec_env.call("length", 65_536, fuel=500)
    assert instance.exec_env.fuel <= 500
