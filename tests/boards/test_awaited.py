"""Imports that are awaited, on the boards. QEMU's firmware has no asyncio: tasks are driven by hand."""

from __future__ import annotations

import pytest

from tests.boards.device import Device

pytestmark = pytest.mark.qemu

_TASKS = """
def turn():
    yield
async def wait(n):
    await turn()
    if n == 13:
        raise ValueError(n)
    return n + 1
def go_on(task):
    try:
        task.send(None)
    except StopIteration as ended:
        return ended.value
def start(n, **sizes):
    task = inst.exports.held.call_async(n, **sizes)
    task.send(None)
    return task
"""


@pytest.fixture
def tasks(device: Device) -> Device:
    device.instance("held", stack_size="1024", imports="{'env': {'wait': lambda n: wait(n)}}")
    device.run(_TASKS + "inst.exports.held\nstart(0).close()\nleft = used()")
    return device


def test_calls_that_wait_in_turn(tasks: Device) -> None:
    """Ended in another order than begun; two given up; what they had is free again."""
    tasks.run("a, b, c = start(1), start(2), start(3)\nb.close()\nd = start(4)")
    assert tasks.value("used()[0] > left[0], go_on(a), go_on(d), go_on(c), used() == left") == (
        True,
        2001,
        5004,
        4003,
        True,
    )
    assert tasks.value(
        "go_on(start(7, stack_size=512, aux_size=128)), caught(go_on, start(13))[:2], used() == left"
    ) == (
        8007,
        ("ValueError", "13"),
        True,
    )


def test_given_up_time_after_time(tasks: Device) -> None:
    tasks.run("for n in range(100):\n    a, b = start(n + 20), start(5)\n    a.close()\n    assert go_on(b) == 6005")
    assert tasks.value("used() == left")


def test_a_plain_call_says_what_to_do(tasks: Device) -> None:
    name, text, *_ = tasks.value("caught(inst.exports.held, 1)")
    assert (name, text.split(":")[0]) == ("Error", "import env.wait is async")
