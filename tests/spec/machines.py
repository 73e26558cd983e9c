"""What a script's commands run on: the simulated CPU in this process, or a board in QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from insitu import sim

Step = tuple[Any, ...]  # a method of device.Script and its arguments
Outcome = tuple[str, Any]

_ALIGN = 16
_STACK = 64 * 1024  # bytes of operand stack, of each instance


_SIMULATED_FLASH = 0x22000000
_SIMULATED_HEAP = (0x60000000, 128 << 20)
_SECONDS = 20.0  # that one call may take


class Machine(Protocol):
    """A machine with a script's images in its flash and a fresh runtime."""

    def run(self, steps: list[Step]) -> Iterator[Outcome]:
        """What comes of the steps, in their order."""


def lay_out(images: list[bytes], flash: int) -> tuple[list[int], bytes]:
    """Addresses of the images, one behind the other from flash on, and what lies there."""
    addresses, data = [], bytearray()
    for image in images:
        addresses.append(flash + len(data))
        data += image + bytes(-len(image) % _ALIGN)
    return addresses, bytes(data)


class Simulated:
    """The runtime under CPython, compiled code on the simulated CPU."""

    def __init__(self, target: str, images: list[bytes]) -> None:
        cpu = sim.install(sim.Cpu(target, seconds=_SECONDS))
        addresses, data = lay_out(images, _SIMULATED_FLASH)
        cpu.map_flash(_SIMULATED_FLASH, data)
        cpu.map_ram(*_SIMULATED_HEAP)
        from tests.spec.device import Script

        self._script = Script(_SIMULATED_HEAP, _STACK, addresses)

    def run(self, steps: list[Step]) -> Iterator[Outcome]:
        """What comes of the steps; a fault of the CPU is one step's failure."""
        for step in steps:
            try:
                yield self._script.step(*step)
            except (sim.CpuFault, sim.MemoryFault) as error:
                yield "crash", str(error)


MACHINES = {"sim": Simulated}
