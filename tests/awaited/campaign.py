"""Calls that are given up at random moments, and what is left of them: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from tests.awaited import tasks
from tests.port.conftest import Device


def cancel_at_random(device: Device, count: int, random: Random) -> int:
    """Up to three calls at once; count of them are given up. Returns how many were; AssertionError: something is left.

    Every call that ends gives what it gives alone, every fifth one given up is a coroutine that is closed.
    """
    module = device.load_image(tasks.image(device.target))
    instance, plain = tasks.instantiate(module, True), tasks.instantiate(module, False)
    before, cancelled = tasks.state(instance), 0
    running: list[tuple[tasks.Call, Coroutine[Any, None, Any]]] = []
    while cancelled < count:
        if len(running) < 3:
            call = tasks.random_call(random)
            running.append((call, tasks.start(instance, call)))
        chosen = random.choice(running)
        (name, arguments), task = chosen
        if random.random() < 0.2:
            cancelled += 1
            _give_up(task, cancelled)
            running.remove(chosen)
        else:
            try:
                task.send(None)
            except StopIteration as ended:
                assert ended.value == getattr(plain.exports, name)(*arguments), chosen
                running.remove(chosen)
    for _, task in running:
        task.close()
    assert tasks.state(instance) == before
    device.runtime.heap.check()
    return cancelled


def _give_up(task: Coroutine[Any, None, Any], n: int) -> None:
    if n % 5 == 0:
        task.close()
        return
    try:
        task.throw(asyncio.CancelledError())
    except asyncio.CancelledError:
        return
    raise AssertionError("it went on")
