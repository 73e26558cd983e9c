# Who waits at an address of a shared memory (memory.atomic.wait32, wait64 and notify). Imported at the first.
import struct

from micropython import const

from ..errors import Error
from ..host.sleep import sleep

NOT_EQUAL = const(1)
TIMED_OUT = const(2)
_LONGEST_SLEEP = const(1000)  # milliseconds at a time: a timeout has 64 bits


# width: bytes that are compared. In a call that nothing else runs beside, nobody can notify: only time can pass.
def wait(instance, width, at):
    slots = instance.slots
    if instance.memory.read(at, width) != bytes(slots[8 : 8 + width]):
        return NOT_EQUAL
    timeout = struct.unpack_from("<q", slots, 16)[0]
    if timeout < 0:
        raise Error("deadlock: code waits at address %d without a timeout, and nobody runs who could notify it" % at)
    left = -(-timeout // 1000000)
    while left > 0:
        sleep(min(left, _LONGEST_SLEEP))
        left -= _LONGEST_SLEEP
    return TIMED_OUT


# How many were woken up.
def notify(instance, at, count):
    return 0
