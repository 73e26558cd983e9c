"""A board's real firmware in QEMU that runs a test's own device code: one boot for many runs."""

from __future__ import annotations

import ast
import re
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.link.raw_repl import DeviceError
from insitu.machine import emulated
from insitu.package import deploy
from insitu.package.names import on_device
from insitu.port.xip import layout

# Of each target: a board with RAM to spare, and where that is.
BOARDS = {
    "cortex-m3": ("qemu_mps2_an385", (0x21000000, 16 << 20)),
    "cortex-m4f": ("qemu_mps2_an386", (0x21000000, 16 << 20)),
    "rv32imc": ("qemu_rv32", (0x81000000, 100 << 20)),
}
_MARK = "insitu-came:"
_BATCH = 3000  # characters that are sent at a time
_OWN_IMPORTS = re.compile(r"^from tests\..* import .*\n", re.MULTILINE)
_LAYOUT = re.compile(r"^from insitu\.port\.xip\.layout import (.*)\n", re.MULTILINE)


def device_text(source: str) -> str:
    """A test's device code as a board takes it: the package is called insitu there, and its layout, constants that
    mpy-cross has folded, is not on it."""
    text = _OWN_IMPORTS.sub("", source)
    return on_device(
        _LAYOUT.sub(lambda m: f"{m[1]} = {', '.join(str(getattr(layout, n)) for n in m[1].split(', '))}\n", text)
    )


class Firmware(AbstractContextManager["Firmware"]):
    """Use it in a `with`.

    Attributes:
        heap: (address, size) of RAM that the firmware does not use.
        flash: the first address for images.
    """

    SECONDS = 120.0  # that one batch may take

    def __init__(self, target: str, images: bytes, sources: list[Path]) -> None:
        """images: what lies in flash; sources: files of device code, those that others import first."""
        name, self.heap = BOARDS[target]
        self._board, self._images, self._sources = load_board(name), images, sources
        self.flash = self._board.image.address
        if len(images) > self._board.image.size:
            raise InsituError(f"{len(images)} bytes of images do not fit into the flash of {name}")
        self._stack = ExitStack()

    def __enter__(self) -> Firmware:
        board, method = self._board, deploy.METHODS[deploy.best(self._board)]
        contents = [(board.image.address, self._images), *method.contents(board)]
        machine = self._stack.enter_context(emulated(board, contents))
        self._link = self._stack.enter_context(machine.link())
        method.install(self._link, board)
        for source in self._sources:
            self.run(device_text(source.read_text()))
        # a tuple is printed as repr() writes it, without a string of that length
        self.run(f"def tell(came):\n print({_MARK!r}, end='')\n print(came)\n")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, text: str) -> None:
        """Run Python text there; raises DeviceError."""
        self._link.run(text, timeout=self.SECONDS)

    def answers(self, function: str, calls: list[tuple[Any, ...]]) -> list[Any]:
        """What function gives for each of the calls' arguments, until one raises: then ("exception", its last line)."""
        found: list[Any] = []
        while len(found) < len(calls):
            texts: list[str] = []
            for call in calls[len(found) :]:
                texts.append(f"tell({function}(*{call!a}))")
                if sum(map(len, texts)) > _BATCH:
                    break
            try:
                found += _parse(self._link.run("\n".join(texts), timeout=self.SECONDS))
            except DeviceError as error:
                found += [*_parse(error.output), ("exception", error.traceback.strip())]
                break
        return found


def _parse(output: bytes) -> list[Any]:
    lines = output.decode().splitlines()
    return [ast.literal_eval(line.removeprefix(_MARK)) for line in lines if line.startswith(_MARK)]
