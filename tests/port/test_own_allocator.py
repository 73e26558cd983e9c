"""The module's own allocator, asked for memory while a call into it has not ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from insitu.port.errors import Error

from tests.port.conftest import Device


@pytest.fixture(params=("cortex-m0plus", "rv32imc"))
def target(request: pytest.FixtureRequest) -> str:
    """Code of both instruction sets: what is looked at are addresses on stacks."""
    return str(request.param)


# A program that calls an import outside of its allocator; and that, which calls it halfway, and has thunks behind it.
MODULE = """(module (import "env" "note" (func $note (param i32)))
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 64))
  (func (export "free") (param i32))
  (func (export "once") (param i32) (result i32) (i32.add (call $malloc (local.get 0)) (i32.const 0)))
  (func (export "beside") (result i32) (drop (call $malloc (i32.const 8))) (call $note (i32.const 0)) (i32.const 5))
  (func $malloc (export "malloc") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $next))
    (call $note (i32.const 1))
    (global.set $next (i32.add (local.get $at) (i32.add (i32.const 8) (local.get $size))))
    (local.get $at)))"""


def _run(device: Device, call: Callable[..., int], inside: int) -> tuple[int, list[int | str]]:
    """What call gives, and what came of module_malloc in the import, where that is called inside or outside."""
    found: list[int | str] = []

    def note(where: int) -> None:
        if where == inside:
            try:
                found.append(instance.module_malloc(16))
            except Error as error:
                found.append(str(error))

    instance = device.instantiate(MODULE, imports={"env": {"note": note}})
    return call(instance), found


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda instance: instance.exports.once(8), id="by the program"),
        pytest.param(lambda instance: instance.module_malloc(8), id="by the host"),
        pytest.param(lambda instance: instance.create_exec_env(1024).call("once", 8), id="on another exec env"),
    ],
)
def test_it_is_not_entered_a_second_time(device: Device, call: Callable[..., int]) -> None:
    at, found = _run(device, call, 1)
    assert at == 64 and len(found) == 1
    assert "inside of the module's own malloc, which cannot be entered a second time" in str(found[0])


def test_an_import_that_the_program_calls_may_ask_for_memory(device: Device) -> None:
    assert _run(device, lambda instance: instance.exports.beside(), 0) == (5, [80])


def test_what_was_refused_can_be_asked_for_afterwards(device: Device) -> None:
    instance = device.instantiate(MODULE, imports={"env": {"note": lambda _: None}})
    assert [instance.module_malloc(8) for _ in range(2)] == [64, 80]


def test_while_a_call_waits_inside_of_it(device: Device) -> None:
    """The import is async: the call is suspended inside of malloc, and afterwards it is not."""
    found: list[int | str] = []

    async def note(_: int) -> None:
        await asyncio.sleep(0)

    instance = device.instantiate(MODULE, imports={"env": {"note": note}})

    async def ask() -> None:
        program = asyncio.create_task(instance.exports.once.call_async(8, stack_size=1024))
        await asyncio.sleep(0)
        with pytest.raises(Error, match="inside of the module's own malloc"):
            instance.module_malloc(16)
        with pytest.raises(Error, match="inside of the module's own malloc"):
            instance.module_free(64)
        found.append(await program)
        found.append(await instance.exports.once.call_async(8, stack_size=1024))

    asyncio.run(ask())
    assert found == [64, 80]
