"""What a script's commands run on: the simulated CPU in this process, or a board in QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from insitu import sim

Step = tuple[Any, ...]  # a method of device.Script and its arguments
Outcome = tuple[str, Any]

_ALIGN = 16
_STACK = 64 * 1024  # bytes of operand stack, of each instance


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

    FLASH = {"cortex-m3": 0x08000000, "cortex-m4f": 0x08000000, "rv32imc": 0x22000000}
    HEAP = (0x60000000, 128 << 20)
    SECONDS = 20.0  # that one call may take

    def __init__(self, target: str, images: list[bytes]) -> None:
        cpu = sim.install(sim.Cpu(target, seconds=self.SECONDS))
        addresses, data = lay_out(images, self.FLASH[target])
        cpu.map_flash(self.FLASH[target], data)
        cpu.map_ram(*self.HEAP)
        from tests.spec.device import Script

        self._script = Script(self.HEAP, _STACK, addresses)

    def run(self, steps: list[Step]) -> Iterator[Outcome]:
        """What comes of the steps; a fault of the CPU is one step's failure."""
        for step in steps:
            try:
                yield self._script.step(*step)
            except (sim.CpuFault, sim.MemoryFault) as error:
                yield "crash", str(error)


MACHINES = {"sim": Simulated}
