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
from insitu.board.record import Board
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package import deploy

from tests.port.conftest import Device

_SOURCES = Path(__file__).parent / "sources"
_RENAMED = ("create", "join", "mutex_lock", "mutex_unlock", "cond_wait", "cond_signal", "cond_broadcast")
_STACK = 4096


@functools.cache
def wasm() -> bytes:
    """The queue of producers and consumers, with what pthread.c has of POSIX threads in the place of the library's."""
    with tempfile.TemporaryDirectory(prefix="insitu-threads-") as folder:
        made = Path(folder, "queue.wasm")
        command = [
            *(sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-O2", "-g0", "-pthread"),
            "-mcpu=generic+atomics+bulk_memory+mutable_globals",
            *(f"-Dpthread_{name}=threads_{name}" for name in _RENAMED),
            *("-Wl,--import-memory,--export-memory,--shared-memory,--max-memory=131072", "-Wl,-z,stack-size=16384"),
            *(str(_SOURCES / name) for name in ("queue.c", "pthread.c")),
            *("-o", str(made)),
        ]
        subprocess.run(command, check=True, capture_output=True)
        return made.read_bytes()


@functools.cache
def image(target: str, interruptible: bool = False) -> bytes:
    return aot.compile_wasm(wasm(), target, aot.Options(interruptible=interruptible))


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


@contextmanager
def booted(board: Board) -> Iterator[OnBoard]:
    """The board's emulator, with package and image."""
    method = deploy.METHODS[deploy.best(board)]
    contents = [*method.contents(board), (board.image.address, image(board.target))]
    with emulated(board, contents) as machine, machine.link() as link:
        method.install(link, board)
        link.run((Path(__file__).parent / "loop.py").read_text())
        heap = f"({board.heap_address}, {board.global_heap})"
        link.run(_PREPARE.format(heap=heap, image=board.image.address, stack=_STACK))
        yield OnBoard(link)
