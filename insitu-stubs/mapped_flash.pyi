"""ESP32-C3 and ESP32-C6: flash that the CPU sees only once it is mapped, until the next reset."""

NAME: str

def map_partition(name: str = "insitu") -> int:
    """Have the CPU see a partition of flash, up to 1 MiB of it; the address for Runtime.load, always the same.

    Raises OSError where there is none, or it cannot be mapped. This module is let go again.
    """
