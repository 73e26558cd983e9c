"""The simulated device of a system, with each kind of global heap."""

from __future__ import annotations

from typing import Any

from insitu import sim

FLASH, HEAP = 0x22000000, 0x24000000
SIZE = 1 << 20
_ALIGN = 4096
KINDS = ("pool", "allocator", "allocator", "pool", "system")


class Guarded:
    """malloc, realloc and free that give each block pages of its own, ended by nothing; what is freed is gone.

    An access past a block's end, or to one that was freed, is a fault at once, whether it reads or writes.
    """

    def __init__(self, cpu: sim.Cpu) -> None:
        self.cpu = cpu
        self.sizes: dict[int, int] = {}

    def malloc(self, size: int) -> int:
        """A new block, zeros, whose last byte is the last before the gap (sizes are multiples of 8)."""
        address = self.cpu.map_block(size)
        self.sizes[address] = size
        return address

    def realloc(self, address: int, size: int) -> int:
        """Always elsewhere."""
        new = self.malloc(size)
        kept = min(size, self.sizes[address])
        self.cpu.view(new, kept)[:] = self.cpu.view(address, kept)
        self.free(address)
        return new

    def free(self, address: int) -> None:
        """Whoever still has the address will fault."""
        del self.sizes[address]
        self.cpu.unmap(address)


def simulated(target: str, images: list[bytes], kind: str, **system: Any) -> Any:
    """A device.Device on a fresh simulated CPU, its heap of that kind.

    kind: pool, allocator or system; system: functions, names and constants, see device.Device.
    """
    cpu = sim.install(sim.Cpu(target, seconds=20.0))
    addresses, at = [], FLASH
    for image in images:
        cpu.map_flash(at, image)
        addresses.append(at)
        at += (len(image) + 2 * _ALIGN - 1) & -_ALIGN
    from tests.fuzz.systems.device import Device

    if kind == "pool":
        cpu.map_ram(HEAP, SIZE)
        return Device(addresses, heap=(HEAP, SIZE), **system)
    own = Guarded(cpu)
    options = {"allocator": (own.malloc, own.realloc, own.free)} if kind == "allocator" else {}
    return Device(addresses, options=options, **system)
