"""Real firmware on each QEMU board, booted once a worker: images in its flash, code through the raw REPL."""

from __future__ import annotations

import ast
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.record import Board
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package import deploy

from tests.boards import modules

_APART = 0x100  # an image starts at a multiple of so many bytes
_TOOLS = """
import gc, insitu, sys, uctypes
from insitu.errors import *
from insitu.heap import HeapError
rt = insitu.Runtime(heap=bytearray({heap}))
def caught(call, *args):
    try:
        call(*args)
    except Exception as error:
        return type(error).__name__, str(error), getattr(error, 'pc', 0), getattr(error, 'offset', 0)
def used():
    rt.heap.check()
    return rt.heap.used(), len(rt.instances), len(rt.modules)
"""


def slow(name: str) -> list[pytest.MarkDecorator]:
    """The marks of tests on the board called name: rp2040py runs 6 million cycles a second."""
    return [pytest.mark.slow] if name == "rpi_pico" else []


@dataclass(slots=True)
class Device:
    """A booted board.

    Attributes:
        at: address of each image of modules.TEXTS in flash; images: their bytes.
    """

    board: Board
    link: Link
    at: dict[str, int]
    images: dict[str, bytes]

    def run(self, code: str) -> None:
        """Run statements, which print nothing."""
        assert self.link.run(code) == b""

    def value(self, expression: str) -> Any:
        """What an expression of literals gives."""
        return ast.literal_eval(self.link.run(f"print(repr(({expression})))").decode())

    def instance(self, name: str, **options: str) -> None:
        """A fresh instance, `inst`, of `mod`; no others are left. options: expressions."""
        self.clear()
        given = ", ".join(f"{key}={value}" for key, value in options.items())
        self.run(f"mod = rt.load({self.at[name]})\ninst = mod.instantiate({given})\n")

    def clear(self) -> None:
        """An empty runtime."""
        self.run(
            "inst = mod = None\n"
            "while rt.instances: rt.instances[-1].deinstantiate()\n"
            "while rt.modules: rt.modules[-1].unload()\n"
        )


def _image(text: str, target: str, folder: Path) -> bytes:
    """The image of a text; folder keeps what another worker has compiled."""
    kept = folder / f"{hashlib.sha256(f'{target} {text}'.encode()).hexdigest()}.xip"
    if not kept.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(compile_wasm(bytes(wasmtime.wat2wasm(text)), target))
        Path(file.name).replace(kept)
    return kept.read_bytes()


@contextmanager
def boot(board: Board, folder: Path) -> Iterator[Device]:
    """The board with the device package and all images; folder: for the images, of this run of the tests."""
    images = {name: _image(text, modules.target(name, board), folder) for name, text in modules.TEXTS.items()}
    method = deploy.METHODS[deploy.best(board)]
    contents, at = method.contents(board), {}
    free = board.image.address
    for name, data in images.items():
        contents.append((free, data))
        at[name] = free
        free += len(data) + -len(data) % _APART
    assert free <= board.image.end
    with emulated(board, contents) as machine, machine.link() as link:
        method.install(link, board)
        device = Device(board, link, at, images)
        device.run(_TOOLS.format(heap=modules.HEAP))
        yield device
