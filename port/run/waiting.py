# Who waits at an address of a shared memory (memory.atomic.wait32, wait64 and notify). Imported at the first.
import struct

from micropython import const

from ..errors import Error
from .sleep import sleep

NOTIFIED = const(0)
NOT_EQUAL = const(1)
TIMED_OUT = const(2)
_LONGEST_SLEEP = const(1000)  # milliseconds at a time: a timeout has 64 bits
_waiters = {}  # by address: tasks' events, first come, first woken


# width: bytes that are compared. In a plain call nobody runs who could notify: only time can pass.
def wait(instance, width):
    at, expected, timeout = arguments(instance, width)
    if instance.memory.read(at, width) != expected:
        return NOT_EQUAL
    if timeout < 0:
        raise Error("deadlock: code waits at address %d without a timeout, and nobody runs who could notify it" % at)
    left = _milliseconds(timeout)
    while left > 0:
        sleep(min(left, _LONGEST_SLEEP))
        left -= _LONGEST_SLEEP
    return TIMED_OUT


# As they are in the args area: address, the bytes that are expected there, timeout in nanoseconds.
def arguments(instance, width):
    slots = instance.slots
    return struct.unpack_from("<I", slots)[0], bytes(slots[8 : 8 + width]), struct.unpack_from("<q", slots, 16)[0]


def _milliseconds(nanoseconds):
    return -(-nanoseconds // 1000000)


# The same in a task, which is there before it looks: who comes in between has notified it.
async def wait_in_task(instance, width, given):
    import asyncio

    at, expected, timeout = given
    event, key = asyncio.Event(), _key(instance, at)
    _waiters.setdefault(key, []).append(event)
    try:
        if instance.memory.read(at, width) != expected:
            return NOT_EQUAL
        if timeout < 0:
            await event.wait()
        else:
            await _until(asyncio, event, _milliseconds(timeout))
        return NOTIFIED if event.is_set() else TIMED_OUT
    finally:
        _leave(key, event)


async def _until(asyncio, event, left):
    while left > 0 and not event.is_set():
        try:
            await asyncio.wait_for(event.wait(), min(left, _LONGEST_SLEEP) / 1000)
        except asyncio.TimeoutError:
            left -= _LONGEST_SLEEP


def _leave(key, event):
    events = _waiters.get(key, ())
    if event in events:
        events.remove(event)
    if not events:
        _waiters.pop(key, None)


# A word of a memory is the same for all who have it.
def _key(instance, at):
    return id(instance.memory_owner), at


def words(instance, width, result):
    return struct.pack("<I", result)


# How many were woken up.
def notify(instance, at, count):
    events = _waiters.get(_key(instance, at), [])
    count = min(count, len(events))
    for _ in range(count):
        events.pop(0).set()
    return count
