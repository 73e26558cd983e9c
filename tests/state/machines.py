"""The state machine's devices under CPython, with each kind of global heap."""

from __future__ import annotations

import functools
from typing import Any

import wasmtime
from insitu import aot, sim

from tests.fuzz.systems.machines import Guarded
from tests.state.modules import TEXTS

TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "rv32imc")
KINDS = ("pool", "allocator", "region", "system", "allocator")
FLASH, REGION = 0x22000000, 0x24000000
SIZE = 1 << 20


@functools.cache
def images(target: str) -> dict[str, bytes]:
    """By the module's name."""
    return {name: aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), target) for name, text in TEXTS.items()}


def lay_out(target: str, flash: int) -> tuple[dict[str, int], bytes]:
    """Addresses by the module's name, and what lies in flash."""
    addresses, data = {}, bytearray()
    for name, image in images(target).items():
        addresses[name] = flash + len(data)
        data += image + bytes(-len(image) % 16)
    return addresses, bytes(data)


def simulated(target: str, kind: str) -> Any:
    """A device.State on a fresh simulated CPU."""
    cpu = sim.install(sim.Cpu(target, seconds=20.0))
    addresses, data = lay_out(target, FLASH)
    cpu.map_flash(FLASH, data)
    from tests.state.device import State

    if kind == "pool":
        return State(addresses, {"heap": bytearray(SIZE)})
    if kind == "region":
        cpu.map_ram(REGION, SIZE)
        return State(addresses, {"heap": (REGION, SIZE)})
    if kind == "system":
        return State(addresses, {})
    own = Guarded(cpu)
    return State(addresses, {"allocator": (own.malloc, own.realloc, own.free)}, lambda: not own.sizes)
