"""What a script's commands run on: the simulated CPU in this process, or a board in QEMU."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from insitu import sim
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.package import deploy
from insitu.package.names import on_device

Step = tuple[Any, ...]  # a method of device.Script and its arguments
Came = tuple[str, Any, int]  # what it gives

_ALIGN = 16
_STACK = 64 * 1024  # bytes of operand stack, of each instance
_DEVICE = Path(__file__).with_name("device.py")


def lay_out(images: list[bytes], flash: int) -> tuple[list[int], bytes]:
    """Addresses of the images, one behind the other from flash on, and what lies there."""
    addresses, data = [], bytearray()
    for image in images:
        addresses.append(flash + len(data))
        data += image + bytes(-len(image) % _ALIGN)
    return addresses, bytes(data)


class Machine(AbstractContextManager["Machine"]):
    """A machine with a script's images in its flash and a fresh runtime."""

    def run(self, steps: list[Step]) -> Iterator[Came]:
        """What comes of the steps, in their order."""
        raise NotImplementedError


class Simulated(Machine):
    """The runtime under CPython, compiled code on the simulated CPU."""

    FLASH = 0x22000000
    HEAP = (0x81000000, 96 << 20)  # as on rv32 boards: a word that looks negative
    SECONDS = 20.0  # that one call may take

    def __init__(self, target: str, images: list[bytes]) -> None:
        cpu = sim.install(sim.Cpu(target, seconds=self.SECONDS))
        addresses, data = lay_out(images, self.FLASH)
        cpu.map_flash(self.FLASH, data)
        cpu.map_ram(*self.HEAP)
        from tests.spec.device import Script

        self._script = Script(self.HEAP, _STACK, addresses)

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""

    def run(self, steps: list[Step]) -> Iterator[Came]:
        """What comes of the steps; a fault of the CPU is one step's failure."""
        for step in steps:
            try:
                yield self._script.step(*step)
            except (sim.CpuFault, sim.MemoryFault) as error:
                yield "crash", str(error), 0


# Of each target: a board with RAM to spare, and where that is.
_BOARDS = {
    "cortex-m3": ("qemu_mps2_an385", (0x21000000, 16 << 20)),
    "cortex-m4f": ("qemu_mps2_an386", (0x21000000, 16 << 20)),
    "cortex-m7": ("qemu_mps2_an500", (0x60000000, 16 << 20)),
    "cortex-m33": ("qemu_mps2_an505", (0x80000000, 16 << 20)),
    "rv32imc": ("qemu_rv32", (0x81000000, 100 << 20)),
}
_MARK = "insitu-came:"
_BATCH = 4000  # characters of steps that are sent at a time


class Qemu(Machine):
    """The runtime under MicroPython on a board in QEMU; device.py is sent over the serial line."""

    SECONDS = 120.0  # that one batch of steps may take

    def __init__(self, target: str, images: list[bytes]) -> None:
        name, self._heap = _BOARDS[target]
        self._board = load_board(name)
        self._addresses, self._data = lay_out(images, self._board.image.address)
        if len(self._data) > self._board.image.size:
            raise InsituError(f"{len(self._data)} bytes of images do not fit into the flash of {name}")
        self._stack = ExitStack()
        self._link: Link

    def __enter__(self) -> Qemu:
        board, method = self._board, deploy.METHODS[deploy.best(self._board)]
        contents = [(board.image.address, self._data), *method.contents(board)]
        machine = self._stack.enter_context(emulated(board, contents))
        self._link = self._stack.enter_context(machine.link())
        method.install(self._link, board)
        self._link.run(on_device(_DEVICE.read_text()))
        self._link.run(
            f"script = Script({self._heap}, {_STACK}, {self._addresses})\n"
            f"def run(*steps):\n for step in steps: print({_MARK!r} + repr(script.step(*step)))\n",
            timeout=self.SECONDS,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, steps: list[Step]) -> Iterator[Came]:
        """What comes of the steps, sent by the batch; an exception of Python's is one step's failure."""
        at = 0
        while at < len(steps):
            for came in self._batch(steps[at:]):
                at += 1
                yield came

    def _batch(self, steps: list[Step]) -> list[Came]:
        texts: list[str] = []
        for step in steps:
            texts.append(ascii(step))
            if sum(map(len, texts)) > _BATCH:
                break
        try:
            return _parse(self._link.run(f"run({', '.join(texts)})", timeout=self.SECONDS))
        except DeviceError as error:
            return [*_parse(error.output), ("exception", error.traceback.strip().splitlines()[-1], 0)]


def _parse(output: bytes) -> list[Came]:
    lines = output.decode().splitlines()
    return [ast.literal_eval(line.removeprefix(_MARK)) for line in lines if line.startswith(_MARK)]


MACHINES: dict[str, type[Simulated] | type[Qemu]] = {"sim": Simulated, "qemu": Qemu}
