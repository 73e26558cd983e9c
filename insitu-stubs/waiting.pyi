"""Who waits at an address of a shared memory, by memory.atomic.wait32 and wait64, in calls that are awaited."""

from insitu.instance import Instance

def notify(instance: Instance, at: int, count: int) -> int:
    """Wake those who have waited longest at an address, count at most, as memory.atomic.notify; how many were. The word
    there is to be written before.
    """
