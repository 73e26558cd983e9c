"""The simulated CPU in this process (insitu.sim), device code under CPython: no MicroPython is needed."""

from __future__ import annotations

import builtins
import importlib
import importlib.metadata
import io
import traceback
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from types import ModuleType
from typing import Any, Self

from insitu import sim
from insitu.board.record import Board
from insitu.errors import QuietError
from insitu.link.printed import Say, unheard
from insitu.link.runner import DeviceError, Runner
from insitu.machine.watch import Watch
from insitu.package.names import DEVICE, HOST, host_modules
from insitu.sim.memory import PAGE


class Simulated:
    """A board's CPU with contents in its flash, and RAM where the board has some for the global heap.

    One at a time is the machine of this process. Attributes: port: "", there is no line.
    """

    port = ""

    def __init__(self, board: Board, contents: list[tuple[int, bytes]]) -> None:
        self.board, self._contents = board, contents

    def __enter__(self) -> Self:
        cpu = sim.install(sim.Cpu(self.board.target))
        for address, data in self._contents:
            before = address % PAGE  # memory comes in pages
            cpu.map_flash(address - before, b"\xff" * before + data)
        if self.board.heap_address is not None:
            cpu.map_ram(self.board.heap_address, self.board.global_heap)
        return self

    def link(self) -> Here:
        """What runs device code."""
        return Here()

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""


class _Bytes(io.BytesIO):
    """Attributes: say: gets what is written, too."""

    def __init__(self) -> None:
        super().__init__()
        self.say: Say = unheard

    def write(self, data: Any) -> int:
        self.say(bytes(data))
        return super().write(data)


class _Console(io.TextIOWrapper):
    """Takes bytes, too, as MicroPython's does."""

    def write(self, text: Any) -> int:
        return super().write(text if isinstance(text, str) else bytes(text).decode("utf-8", "surrogateescape"))


class Here(Runner):
    """Runs device code in this process; `import insitu` is the device package.

    Attributes: names: the code's globals.
    """

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": _import}}
        self._bytes = _Bytes()
        self._console = _Console(
            self._bytes, encoding="utf-8", errors="surrogateescape", newline="", write_through=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""

    def run(self, code: str, *, timeout: float | None = None, say: Say = unheard) -> bytes:
        """See Runner; a fault of the simulated CPU is a bug of insitu's and comes through."""
        self._bytes.say = say
        try:
            with redirect_stdout(self._console), self._watched(timeout):
                exec(compile(code, "<stdin>", "exec"), self.names)
        except QuietError as error:
            error.output = self._taken()
            raise
        except (sim.CpuFault, sim.MemoryFault):
            raise
        except Exception as error:
            raise DeviceError(_traceback(error), self._taken()) from error
        return self._taken()

    def _watched(self, timeout: float | None) -> AbstractContextManager[None]:
        if timeout is None:
            return nullcontext()
        return Watch(timeout, sim.current().uc.emu_stop, self._bytes.tell).watching()

    def _taken(self) -> bytes:
        """What was printed since the last time."""
        printed = self._bytes.getvalue()
        self._bytes.seek(0)
        self._bytes.truncate()
        return printed


class _Package(ModuleType):
    """The device package, whose modules have the names of a device."""

    __version__ = importlib.metadata.version(DEVICE)

    def __getattr__(self, name: str) -> Any:
        module = _MODULES.get(f"{DEVICE}.{name}")
        return importlib.import_module(module) if module else getattr(importlib.import_module(HOST), name)


_MODULES = host_modules()
_PACKAGE = _Package(DEVICE)


def _traceback(error: Exception) -> str:
    """As MicroPython prints it, but that source lines stand between the calls."""
    calls = "".join(traceback.format_tb(error.__traceback__)[1:])
    return f"Traceback (most recent call last):\n{calls}{type(error).__name__}: {error}"


def _import(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:
    """As the builtin, but that `insitu` means the device package."""
    if level or name.partition(".")[0] != DEVICE:
        return builtins.__import__(name, globals, locals, fromlist, level)
    if name == DEVICE:
        return _PACKAGE
    if name not in _MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    found = importlib.import_module(_MODULES[name])
    return found if fromlist else _PACKAGE
