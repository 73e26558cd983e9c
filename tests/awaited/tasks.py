"""Calls that wait, driven step by step: who goes on next is chosen here, not by an event loop."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from random import Random
from typing import Any

from insitu import aot
from insitu.port.xip import layout
from insitu.toolchain import compile_c

SOURCE = Path(__file__).with_name("stacks.c")
AUX_STACK = 2560
Call = tuple[str, tuple[int, ...]]


@functools.cache
def image(target: str) -> bytes:
    """The image of stacks.c."""
    with tempfile.TemporaryDirectory() as folder:
        wasm = compile_c(SOURCE, Path(folder, "stacks.wasm"), stack_size=AUX_STACK).read_bytes()
    return aot.compile_wasm(wasm, target)


class Turn:
    """Others go on until this one is chosen again."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def answer(what: int) -> int:
    """Of env.wait, for each number another one."""
    return what * 77 % 1009 + 1 if what else 0


class Imports:
    """Of stacks.c; waiting: whether they are async. instance: theirs, once it is there."""

    def __init__(self, waiting: bool) -> None:
        self.waiting = waiting
        self.instance: Any = None

    def _write(self, at: int, length: int, seed: int) -> None:
        self.instance.memory.write(at, bytes((seed + 7 * i) & 255 for i in range(length)))

    def _plain(self) -> dict[str, Callable[..., Any]]:
        return {
            "wait": answer,
            "fill": self._write,
            "nested": lambda depth, seed: self.instance.exports.nest(depth - 1, seed),
        }

    async def _wait(self, what: int) -> int:
        await Turn()
        return answer(what)

    async def _fill(self, at: int, length: int, seed: int) -> None:
        await Turn()
        self._write(at, length, seed)

    async def _nested(self, depth: int, seed: int) -> int:
        await Turn()
        return int(await self.instance.exports.nest.call_async(depth - 1, seed, stack_size=1024, aux_size=160))

    def all(self) -> dict[str, dict[str, Callable[..., Any]]]:
        """As instantiate takes them."""
        if not self.waiting:
            return {"env": self._plain()}
        return {"env": {"wait": self._wait, "fill": self._fill, "nested": self._nested}}


def instantiate(module: Any, waiting: bool) -> Any:
    """An instance of stacks.c."""
    imports = Imports(waiting)
    imports.instance = module.instantiate(stack_size=2048, imports=imports.all())
    return imports.instance


def random_call(random: Random) -> Call:
    """Of what can be interleaved in any order, and gives the same."""
    name = random.choice(("deep", "deep", "filled", "nest", "divide"))
    second = random.randrange(1, 200)
    first = {"deep": 3, "filled": 64, "nest": 2, "divide": 0}[name]
    return (name, (second,)) if name == "divide" else (name, (random.randrange(first + 1), second))


def start(instance: Any, call: Call) -> Coroutine[Any, None, Any]:
    """The call, not begun yet."""
    name, arguments = call
    started: Coroutine[Any, None, Any] = getattr(instance.exports, name).call_async(
        *arguments, stack_size=1024, aux_size=320
    )
    return started


def state(instance: Any) -> tuple[int, int, int]:
    """What a call that has ended leaves as it was: bytes that are free, the aux stack's pointer and its bottom."""
    from insitu.port.store.variables import global_offset
    from insitu.port.xip.raw import peek

    base = instance.runtime.base
    pointer = peek(base, global_offset(instance, instance.module.word(layout.IMAGE_STACK_POINTER)))
    return instance.runtime.heap.free_bytes(), pointer, instance.get(layout.INSTANCE_AUX_BOTTOM)


def interleave(instance: Any, calls: list[Call], random: Random, most: int = 3) -> list[Any]:
    """What calls give, most of them at once, in a random order."""
    found: dict[int, Any] = {}
    left = list(range(len(calls)))
    running: dict[int, Coroutine[Any, None, Any]] = {}
    while left or running:
        if left and len(running) < most and random.random() < 0.5:
            n = left.pop()
            running[n] = start(instance, calls[n])
        elif running:
            _turn(running, found, random)
    return [found[n] for n in range(len(calls))]


def _turn(running: dict[int, Coroutine[Any, None, Any]], found: dict[int, Any], random: Random) -> None:
    """One of those that run goes on; what it gives when it ends is found."""
    n = random.choice(list(running))
    try:
        running[n].send(None)
    except StopIteration as ended:
        found[n] = ended.value
        del running[n]


def finish(running: dict[int, Coroutine[Any, None, Any]], random: Random) -> dict[int, Any]:
    """What all of them give, in a random order of their turns."""
    found: dict[int, Any] = {}
    while running:
        _turn(running, found, random)
    return found


def result(call: Coroutine[Any, None, Any]) -> Any:
    """What a call gives when it goes on alone."""
    while True:
        try:
            call.send(None)
        except StopIteration as ended:
            return ended.value
