"""The runtime under CPython on the simulated CPU, once for each target."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "rv32imc")
FLASH = {"cortex-m0plus": 0x10000000, "cortex-m3": 0x08000000, "cortex-m4f": 0x08000000, "rv32imc": 0x22000000}


@functools.cache
def image(text: str, target: str) -> bytes:
    """The image of a module in text form."""
    return aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), target)


class Device:
    """A fresh machine, and a runtime on it.

    Attributes:
        flash: the next free address in flash.
    """

    def __init__(self, target: str, heap: int = 200_000) -> None:
        self.cpu = insitu.sim.install(insitu.sim.Cpu(target))
        from insitu import port

        self.target, self.port, self.flash = target, port, FLASH[target]
        self.runtime = port.Runtime(bytearray(heap))

    def image(self, text: str, target: str | None = None) -> bytes:
        """The image of a text, for this device if target does not say otherwise."""
        return image(text, target or self.target)

    def put(self, data: bytes) -> Any:
        """Flash that holds data: the bytes there."""
        address = self.flash
        self.flash += (len(data) + 0xFFFF) & ~0xFFFF
        self.cpu.map_flash(address, data)
        return self.cpu.view(address, len(data))

    def load_image(self, data: bytes) -> Any:
        """The module of an image, put into flash."""
        return self.runtime.load(self.put(data))

    def load(self, text: str) -> Any:
        """The module of a text."""
        return self.load_image(self.image(text))

    def instantiate(self, text: str, **options: Any) -> Any:
        """An instance of it."""
        return self.load(text).instantiate(**options)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """Each target in turn."""
    return str(request.param)


@pytest.fixture
def device(target: str) -> Device:
    """A machine of the target with a runtime."""
    return Device(target)


@pytest.fixture
def make_device(target: str) -> Callable[[int], Device]:
    """The same with a heap of a given size."""
    return functools.partial(Device, target)
