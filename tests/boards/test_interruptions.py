"""Calls out of what interrupts the runtime on real firmware, and calls while MicroPython's heap is locked."""

from __future__ import annotations

import pytest

from tests.boards.device import Device

pytestmark = pytest.mark.qemu

# What is scheduled runs where bytecode jumps next, and after schedule() note has no jump: so not before compiled code
# has gone on and left again, for what comes behind the call of note.
_CALLBACK = """
import micropython
armed, came = False, []
def note(n):
    global armed
    if armed:
        armed = False
        micropython.schedule(callback, 0)
    return n
def calls(e):
    return e.deep(20), e.over(1 << 40, 1.5), e.five(1, 2, 3, 4, 5), e.word(30), e.large(3), e.pair(4), e.float(1 << 20)
def callback(_):
    try:
        came.append(calls(inst.exports))
    except insitu.Error as error:
        came.append(str(error))
def interrupted(name, *args):
    global armed
    del came[:]
    armed = True
    try:
        result = getattr(inst.exports, name)(*args)
    except Trap as error:
        result = str(error)
    for _ in range(2): pass
    return result, came
IMPORTS = {'env': {'note': note, 'float': lambda a, b, c: a + b * c, 'same': lambda thing: thing}}
"""
_ALL = (210, (3.0, (1 << 40) - 1), -13, 10, -(1 << 30), (4, -6000000000), float((1 << 20) + 4))


def _instance(device: Device) -> None:
    device.run(_CALLBACK)
    device.instance("interrupted", stack_size="2048", imports="IMPORTS")


def test_a_scheduled_callback_calls(device: Device) -> None:
    """It comes between code's leaving and its being served: both calls give what they would alone."""
    if not device.value("hasattr(__import__('micropython'), 'schedule')"):
        pytest.skip("this firmware has no micropython.schedule")
    _instance(device)
    assert device.value("calls(inst.exports)") == _ALL
    wanted = {"word(9)": -11, "large(1)": 1 << 30, "pair(5)": (5, -6000000000), "float(7)": 11.0}
    for call, result in wanted.items():
        name, argument = call[:-1].split("(")
        assert device.value(f"interrupted({name!r}, {argument})") == (result, [_ALL]), call
    text = device.value("caught(inst.exports.trap)[1]")
    assert device.value("interrupted('trap')[0]") == text
    assert device.value("interrupted('same', 'a thing')[0]") == "a thing"
    assert device.value("interrupted('grow', 0)[0], inst.memory.pages") == (0, 0)
    assert device.value("calls(inst.exports), inst.exec_env.busy") == (_ALL, 0)


_LOCKED = """
import micropython
found, e = [None] * 4, inst.exports
def locked():
    micropython.heap_lock()
    try:
        found[0] = e.deep(3)
        found[1] = inst.exports.word(9)
        try:
            e.trap()
        except MemoryError:
            found[2] = 'raised'
        found[3] = e.deep(4)
    finally:
        micropython.heap_unlock()
"""


def test_calls_with_the_heap_locked(device: Device) -> None:
    """As in an interrupt's handler: no call of i32s allocates, and a trap that cannot be told leaves all whole."""
    _instance(device)
    device.run(f"calls(inst.exports), caught(inst.exports.trap)\n{_LOCKED}locked()")
    assert device.value("found") == [6, -11, "raised", 10]
    assert device.value("calls(inst.exports), inst.exec_env.busy") == (_ALL, 0)


def test_a_function_is_an_object_like_others(device: Device) -> None:
    """The native class that it derives from shows nowhere; names are no arguments, and their number is checked."""
    _instance(device)
    device.run("e = inst.exports")
    same = "{e.deep: 1, e.word: 2}[e.word], e.deep == e.deep, e.deep == e.word, bool(e.deep), callable(e.deep)"
    assert device.value(same) == (2, True, False, True, True)
    assert device.value("e.deep.type, e.deep.name, 'Function object' in repr(e.deep)") == ("i:i", "deep", True)
    for call in ("e.deep(n=3)", "e.deep()", "e.deep(1, 2)", "e.deep(e.deep.plan)"):
        assert device.value(f"caught(lambda: {call})[0]") == "TypeError", call
    assert device.value("e.deep(3), e.five(1, 2, 3, 4, 5)") == (6, -13)
