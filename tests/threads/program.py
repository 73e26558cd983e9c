"""The programs here: compiled by ziglang, run in the simulator and on boards."""

from __future__ import annotations

import ast
import asyncio
import functools
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from insitu import aot
from insitu.board.boards import load_board
from insitu.board.record import Board
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package import deploy
from insitu.pthread.program import compile_and_link

from tests.port.conftest import Device

PICO = "rpi_pico"
_PICO_SIZES = ("--heap", "90000", "--stack", "2048")

_SOURCES = Path(__file__).parent / "sources"
_STACK = 4096  # bytes: of each thread's operand stack, and of its aux stack
_HEAP = 49152  # eight threads' aux stacks, and what else they have
# library.c's exit code and output, with what musl calls EAGAIN
LIBRARY = (0, b"0 failed, Resource temporarily unavailable\n")


@functools.cache
def wasm(name: str) -> bytes:
    """One of the sources, with sizes for a board."""
    with tempfile.TemporaryDirectory(prefix="insitu-threads-") as folder:
        made = Path(folder, "program.wasm")
        sizes = f"-Wl,-s,-z,stack-size={_STACK},--initial-heap={_HEAP}"
        compile_and_link(["-O2", "-g0", sizes, str(_SOURCES / f"{name}.c")], made)
        return made.read_bytes()


@functools.cache
def image(name: str, target: str) -> bytes:
    return aot.compile_wasm(wasm(name), target, aot.Options())


class _Output:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: memoryview) -> int:
        self.data += bytes(data)
        return len(data)


class ShuffledLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, in which any of those that are ready goes on next."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        self._random.shuffle(ready)
        super()._run_once()  # type: ignore[misc]


def simulate(
    device: Device, module: Any, arguments: list[str], seed: int = 0, slice: int | None = None
) -> tuple[int, bytes]:
    """A WASI program's exit code, and what it prints.

    seed: of the order of its threads' turns, 0: who comes first is first.
    """
    from insitu.port.host.threads import Threads
    from insitu.port.host.wasi import Wasi

    output = _Output()
    wasi = Wasi(("app", *arguments), files={1: output})
    threads = Threads(module, wasi.imports(module), _STACK, wasi, slice)
    with asyncio.Runner(loop_factory=(lambda: ShuffledLoop(seed)) if seed else None) as runner:
        code = runner.run(threads.start())
    threads.instance.deinstantiate()
    assert module.instances == []
    device.runtime.heap.check()
    return code, output.data


# Runs on the board, behind loop.py, which is asyncio there. What is written is kept, for the program's own reading.
_PREPARE = """
import __main__, insitu, sys
sys.modules["asyncio"] = __main__
from insitu.threads import Threads
from insitu.wasi import Wasi
rt = insitu.Runtime(heap={heap})
mod = rt.load({image})
class Output:
    def write(self, data):
        self.data += bytes(data)
        return len(data)
def program(arguments, seed):
    output = Output()
    output.data = b""
    wasi = Wasi(["app"] + arguments, files={{1: output}})
    choose(seed)
    threads = Threads(mod, wasi.imports(mod), {stack}, wasi)
    code = run(threads.start())
    threads.instance.deinstantiate()
    rt.heap.check()
    assert not mod.instances
    return code, output.data
"""


class OnBoard:
    """The program on a booted board."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def run(self, arguments: list[str], seed: int = 0) -> tuple[int, bytes]:
        """Exit code and output; seed: as of simulate."""
        said = self._link.run(f"print(repr(program({arguments!r}, {seed})))", timeout=3600)
        found: tuple[int, bytes] = ast.literal_eval(said.decode())
        return found


def on_pico(arguments: list[str], _: int) -> tuple[int, bytes]:
    """On the emulated Pico, with its own asyncio, as a user runs it: its exit status and output."""
    with tempfile.TemporaryDirectory(prefix="insitu-threads-") as folder:
        built = Path(folder, "queue.xip")
        built.write_bytes(image("queue", load_board(PICO).target))
        command = [sys.executable, "-m", "insitu", "run", str(built), "-b", PICO, "--timeout", "600"]
        done = subprocess.run([*command, *_PICO_SIZES, "--", *arguments], capture_output=True, check=False)
    return done.returncode, done.stdout


@contextmanager
def booted(board: Board) -> Iterator[OnBoard]:
    """The board's emulator, with package and image."""
    method = deploy.METHODS[deploy.best(board)]
    contents = [*method.contents(board), (board.image.address, image("queue", board.target))]
    with emulated(board, contents) as machine, machine.link() as link:
        method.install(link, board)
        link.run((Path(__file__).parent / "loop.py").read_text())
        heap = f"({board.heap_address}, {board.global_heap})"
        link.run(_PREPARE.format(heap=heap, image=board.image.address, stack=_STACK))
        yield OnBoard(link)
