"""ESP32-C3 and ESP32-C6: flash that the CPU sees only once it is mapped, until the next reset."""

NAME: str

def map_partition(name: str = "insitu") -> int:
    """Have the CPU see the first MiB of a partition of flash; the address for Runtime.load, always the same.

    Raises OSError where there is none, or it cannot be mapped. This module is let go again.
    """
