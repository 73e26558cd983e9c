"""Imports that are awaited: calls that are suspended in any order, and given up at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from insitu.port.errors import Error, Trap

from tests.awaited import tasks
from tests.awaited.campaign import cancel_at_random
from tests.boards.modules import HELD
from tests.port import test_callbacks as callbacks
from tests.port.conftest import Device

TARGETS = ("cortex-m0plus", "rv32imc")


@pytest.fixture(params=TARGETS)
def device(request: pytest.FixtureRequest) -> Device:
    """With a heap in which linear memory moves when it grows."""
    return Device(request.param, 600_000)


@pytest.fixture
def instance(device: Device) -> Any:
    return tasks.instantiate(device.load_image(tasks.image(device.target)), True)


@pytest.fixture
def plain(instance: Any) -> Any:
    """The same module with imports that do not wait."""
    return tasks.instantiate(instance.module, False)


def _expected(plain: Any, calls: list[tasks.Call]) -> list[int]:
    return [getattr(plain.exports, name)(*arguments) for name, arguments in calls]


def test_interleaved_calls_give_what_they_give_one_after_the_other(instance: Any, plain: Any) -> None:
    random = Random(14)
    before = tasks.state(instance)
    for _ in range(5):
        calls = [tasks.random_call(random) for _ in range(12)]
        wanted = _expected(plain, calls)
        assert -1 not in wanted
        assert tasks.interleave(instance, calls, random) == wanted
        assert tasks.state(instance) == before
    instance.runtime.heap.check()


def test_given_up_at_each_wait(instance: Any, plain: Any) -> None:
    """Another call goes on beside it; what the first had is there again, and the instance works."""
    other = ("deep", (3, 9))
    (wanted,) = _expected(plain, [other])
    for call in (("deep", (2, 5)), ("nest", (2, 4)), ("filled", (30, 3)), ("divide", (3,))):
        before = tasks.state(instance)
        for steps in range(1, 20):
            beside, given_up = tasks.start(instance, other), tasks.start(instance, call)
            beside.send(None)
            try:
                for _ in range(steps):
                    given_up.send(None)
            except StopIteration:
                beside.close()
                break
            with pytest.raises(asyncio.CancelledError):
                given_up.throw(asyncio.CancelledError())
            assert tasks.interleave(instance, [other], Random(1)) == [wanted]
            ended = tasks.result(beside)
            assert ended == wanted
            assert tasks.state(instance) == before
        else:
            raise AssertionError("it has no end")
        assert tasks.state(instance) == before
    instance.runtime.heap.check()


def test_given_up_at_random(device: Device) -> None:
    """`python -m tests.awaited` does it 1,000 times."""
    assert cancel_at_random(device, 30, Random(3)) == 30


def test_memory_grows_while_others_wait(instance: Any, plain: Any) -> None:
    calls: list[tasks.Call] = [("grow", (1, 3)), ("deep", (2, 7)), ("filled", (20, 8))]
    wanted = _expected(plain, calls)
    assert wanted[0] == tasks.answer(3)
    assert tasks.interleave(instance, calls, Random(5)) == wanted
    assert instance.memory.pages == 2


def test_trap_while_others_wait(instance: Any, plain: Any) -> None:
    """The others go on; the trap knows its frames though its operand stack is gone."""
    before = tasks.state(instance)
    other = tasks.start(instance, ("deep", (3, 9)))
    other.send(None)
    trapping = tasks.start(instance, ("divide", (0,)))
    trapping.send(None)
    trapping.send(None)
    with pytest.raises(Trap, match="integer divide by zero") as caught:
        trapping.send(None)
    assert caught.value.frames[0] == caught.value.offset
    assert caught.value.dump().startswith("insitu-trap ")
    ended = tasks.result(other)
    assert [ended] == _expected(plain, [("deep", (3, 9))])
    assert tasks.state(instance) == before


def test_each_call_has_its_own_end_of_the_aux_stack(instance: Any, plain: Any) -> None:
    """Who comes to it traps before anything of another's is overwritten: waiting calls, and those that do not wait."""
    before = tasks.state(instance)
    others = [tasks.start(instance, ("deep", (2, seed))) for seed in (4, 5)]
    others[0].send(None)
    over = instance.exports.overflow.call_async(40, stack_size=8192, aux_size=320)
    over.send(None)
    others[1].send(None)
    with pytest.raises(Trap, match="wasm auxiliary stack overflow"):
        for _ in range(40):
            over.send(None)
    instance.imports = plain.imports  # those of calls that do not wait
    env = instance.create_exec_env(8192)
    with pytest.raises(Trap, match="wasm auxiliary stack overflow"):
        env.call("overflow", 40)
    env.destroy()
    for seed, other in zip((4, 5), others, strict=True):
        ended = tasks.result(other)
        assert [ended] == _expected(plain, [("deep", (2, seed))])
    free, _, bottom = tasks.state(instance)
    assert (free, bottom) == (before[0], before[2])


def test_no_room_for_one_more(instance: Any) -> None:
    before = tasks.state(instance)
    waiting = [tasks.start(instance, ("deep", (1, 1))) for _ in range(9)]
    with pytest.raises(Error, match="no room for 320 bytes of aux stack: of its 2560, 7 calls"):
        for call in waiting:
            call.send(None)
    for call in waiting:
        call.close()
    assert tasks.state(instance) == before


def test_recursion(instance: Any) -> None:
    """An import calls the same instance while it waits, plainly and by awaiting."""
    seen = []

    async def wait(what: int) -> int:
        await tasks.Turn()
        if what == 50:
            seen.append(await instance.exports.deep.call_async(1, 3, aux_size=320))
            seen.append(instance.exports.sum(what))
        return tasks.answer(what)

    instance.imports = tuple(wait if value is instance.imports[1] else value for value in instance.imports)
    before = tasks.state(instance)
    call = instance.exports.deep.call_async(0, 50, aux_size=320)
    ended = tasks.result(call)
    assert ended == (tasks.answer(50) + tasks.answer(0)) & 0xFFFF
    assert seen == [sum(map(tasks.answer, (4, 3, 0, 1))), sum((50 + 3 * i) & 255 for i in range(200))]
    assert tasks.state(instance) == before


# --- small modules ---

KINDS = """(module
  (import "env" "wide" (func $wide (param i64 f64) (result i64)))
  (import "env" "pair" (func $pair (param i32) (result i32 i64)))
  (import "env" "object" (func $object (param externref) (result externref)))
  (import "env" "nothing" (func $nothing))
  (func (export "wide") (param i64) (result i64) (i64.add (call $wide (local.get 0) (f64.const 1.5)) (i64.const 1)))
  (func (export "pair") (param i32) (result i64 i32) (local i64)
    (call $pair (local.get 0)) (local.set 1) (drop) (local.get 1) (i32.const 7))
  (func (export "object") (param externref) (result externref) (call $object (local.get 0)))
  (func (export "nothing") (call $nothing)))"""


class Kinds:
    """Imports of all types; seen: what they were given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def wide(self, a: int, b: float) -> int:
        await tasks.Turn()
        self.seen.append((a, b))
        return a << 1

    async def pair(self, a: int) -> tuple[int, int]:
        await tasks.Turn()
        return a, -(1 << 40)

    async def object(self, value: Any) -> Any:
        await tasks.Turn()
        return [value]

    async def nothing(self) -> None:
        await tasks.Turn()

    def all(self) -> dict[str, dict[str, Callable[..., Any]]]:
        return {"env": {name: getattr(self, name) for name in ("wide", "pair", "object", "nothing")}}


async def _turns(count: int) -> None:
    for _ in range(count):
        await tasks.Turn()


def test_all_types(device: Device) -> None:
    kinds = Kinds()
    exports = device.instantiate(KINDS, imports=kinds.all()).exports
    assert tasks.result(exports.wide.call_async(1 << 40)) == (1 << 41) + 1
    assert kinds.seen == [(1 << 40, 1.5)]
    assert tasks.result(exports.pair.call_async(5)) == (-(1 << 40), 7)
    given = object()
    assert tasks.result(exports.object.call_async(given)) == [given]
    assert tasks.result(exports.nothing.call_async()) is None
    assert not any(device.runtime.references)
    with pytest.raises(TypeError, match='"nothing" takes 0 arguments'):
        tasks.result(exports.nothing.call_async(1))
    with pytest.raises(OverflowError, match="argument 1"):
        tasks.result(exports.pair.call_async(1 << 40))


def test_a_plain_call_says_what_to_do(device: Device) -> None:
    exports = device.instantiate(KINDS, imports=Kinds().all()).exports
    for call, arguments in ((exports.wide, (1,)), (exports.pair, (1,)), (exports.nothing, ())):
        with pytest.raises(Error, match=r"import env\.\w+ is async: .*await exports.NAME.call_async"):
            call(*arguments)
    device.runtime.heap.check()
    assert tasks.result(exports.nothing.call_async()) is None


def test_what_an_import_raises_comes_through(device: Device) -> None:
    async def nothing() -> None:
        await tasks.Turn()
        raise KeyError("lost")

    async def wrong(_: int) -> str:
        return "text"

    imports = {"env": {**Kinds().all()["env"], "nothing": nothing, "pair": wrong}}
    exports = device.instantiate(KINDS, imports=imports).exports
    free = device.runtime.heap.free_bytes()
    with pytest.raises(KeyError, match="lost"):
        tasks.result(exports.nothing.call_async())
    with pytest.raises(TypeError, match=r"env\.pair must return 2 values"):
        tasks.result(exports.pair.call_async(1))
    assert device.runtime.heap.free_bytes() == free


def test_what_waits_is_not_taken_away(device: Device) -> None:
    instance = device.instantiate(KINDS, imports=Kinds().all())
    call = instance.exports.nothing.call_async()
    call.send(None)
    for end in (instance.deinstantiate, device.runtime.destroy):
        with pytest.raises(Error, match="running"):
            end()
    call.close()
    late = instance.exports.nothing.call_async()
    instance.deinstantiate()
    with pytest.raises(Error, match="instance was destroyed"):
        late.send(None)


UNKNOWN = """(module (import "env" "nothing" (func $nothing)) (memory 1) (global (mut i32) (i32.const {top}))
  (func (export "nothing") (call $nothing)))"""


def test_an_aux_stack_that_may_be_there(device: Device) -> None:
    """Where a global looks like one's pointer and no bounds are known, one call at a time may wait."""
    imports = {"env": {"nothing": Kinds().nothing}}
    for top, refused in ((1024, True), (1022, False)):
        exports = device.instantiate(UNKNOWN.format(top=top), imports=imports).exports
        first, second = exports.nothing.call_async(), exports.nothing.call_async()
        first.send(None)
        if refused:
            with pytest.raises(Error, match="two calls of this module cannot wait at once"):
                second.send(None)
        else:
            second.send(None)
        first.close()
        second.close()
        assert tasks.result(exports.nothing.call_async()) is None


OUTER = """(module (import "inner" "held" (func $held (param i32) (result i32)))
  (func (export "run") (param i32) (result i32) (call $held (call $held (local.get 0)))))"""


def test_another_instances_aux_stack(device: Device) -> None:
    """Calls wait in a linked instance's code: its aux stack has parts for them, too."""

    async def wait(what: int) -> int:
        await tasks.Turn()
        return what + 1

    inner = device.instantiate(HELD, imports={"env": {"wait": wait}})
    outer = device.instantiate(OUTER, imports={"inner": inner})
    before = tasks.state(inner)
    running = {n: outer.exports.run.call_async(n) for n in range(3)}
    found = tasks.finish(running, Random(2))
    once = {n: 1000 * (n + 1) + n for n in range(3)}
    assert found == {n: 1000 * (once[n] + 1) + once[n] for n in range(3)}
    assert tasks.state(inner) == before


def test_a_guest_cannot_lead_what_waits_astray(device: Device) -> None:
    """Another call overwrites all of linear memory, and the pointer: what waits goes on where it left."""
    text = """(module (import "env" "wait" (func $wait (param i32) (result i32)))
      (memory (export "memory") 1) (global $sp (export "sp") (mut i32) (i32.const 4096))
      (global (export "__stack_pointer") (mut i32) (i32.const 4096))
      (global (export "__heap_base") i32 (i32.const 4096))
      (func $in (param i32) (result i32) (i32.add (call $wait (local.get 0)) (local.get 0)))
      (func (export "run") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (call 2 (i32.sub (local.get 0) (i32.const 1))) (call $in (local.get 0))))
          (else (call $in (i32.const 9)))))
      (func (export "ruin") (param i32)
        (memory.fill (i32.const 0) (local.get 0) (i32.const 65536))
        (global.set 1 (i32.sub (i32.const 4096) (local.get 0)))))"""

    async def wait(what: int) -> int:
        await tasks.Turn()
        return 10 * what

    instance = device.instantiate(text, imports={"env": {"wait": wait}})
    call = instance.exports.run.call_async(3)
    for byte in range(0, 4):
        call.send(None)
        instance.exports.ruin(byte * 64)
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    assert ended.value.value == 11 * (9 + 1 + 2 + 3)
    device.runtime.heap.check()


# --- asyncio ---


def test_with_asyncio(instance: Any, plain: Any) -> None:
    async def wait(what: int) -> int:
        await asyncio.sleep(0.001 * (what % 3))
        return tasks.answer(what)

    instance.imports = tuple(wait if value is instance.imports[1] else value for value in instance.imports)
    before = tasks.state(instance)
    calls: list[tasks.Call] = [("deep", (2, seed)) for seed in range(3)]

    async def main() -> list[Any]:
        found = await asyncio.gather(*(tasks.start(instance, call) for call in calls))
        instance.imports = tuple(asyncio.sleep if value is wait else value for value in instance.imports)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(tasks.start(instance, ("deep", (1, 1000))), 0.01)
        return list(found)

    assert asyncio.run(main()) == _expected(plain, calls)
    assert tasks.state(instance) == before


@pytest.mark.parametrize("device", ["cortex-m4f"], indirect=True)
def test_calls_out_of_what_interrupts_a_step(device: Device) -> None:
    """A callback's calls are refused or right, wherever it comes; and so is what it interrupts."""
    instance = device.instantiate(callbacks.TEXT, stack_size=2048, imports={"env": callbacks.IMPORTS})
    interrupter = callbacks.Interrupter(device, instance, True)
    interrupter.call()
    for name, arguments, wanted in callbacks.CALLS[3:]:
        got: list[Any] = []

        def run(name: str = name, arguments: Any = arguments, got: list[Any] = got) -> None:
            got.append(tasks.result(getattr(instance.exports, name).call_async(*arguments)))

        found = list(interrupter.instants(run))
        assert len(found) > 20
        assert {*map(repr, got)} == {repr(wanted)}
        assert any(None in came for came in found)
        assert any(None not in came for came in found)
    device.runtime.heap.check()
