"""The device's CPU and memory, simulated in this process.

    cpu = install(Cpu("cortex-m4f"))
    cpu.map_flash(0x08000000, image)
    cpu.call(address, argument)

Importing this package makes MicroPython's names available to the code of port/; install() says which machine
they mean, until the next install().
"""

from __future__ import annotations

from typing import Any

from insitu.errors import InsituError
from insitu.sim import memory as _memory
from insitu.sim import micropython as _micropython
from insitu.sim.cpu import CPUS, Cpu, CpuFault
from insitu.sim.memory import Memory, MemoryFault, ptr8, ptr16, ptr32, uint

__all__ = [
    "CPUS",
    "Cpu",
    "CpuFault",
    "Memory",
    "MemoryFault",
    "addressof",
    "current",
    "install",
    "ptr8",
    "ptr16",
    "ptr32",
    "uint",
]

_micropython.install()


def install(cpu: Cpu) -> Cpu:
    """This is the machine from now on."""
    _memory.use(cpu)
    return cpu


def current() -> Cpu:
    """The machine that was installed last."""
    cpu = _memory.used()
    if not isinstance(cpu, Cpu):
        raise InsituError("no simulated machine: call insitu.sim.install(Cpu(...)) first")
    return cpu


def addressof(buffer: Any) -> int:
    """The buffer's address in the current machine's RAM; the buffer is copied there the first time."""
    return current().addressof(buffer)
