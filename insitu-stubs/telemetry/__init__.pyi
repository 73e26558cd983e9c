"""Where the memory went: what `insitu mem` reads."""

from collections.abc import Callable
from typing import Any, NoReturn

from insitu.handles import Function
from insitu.runtime import Runtime

def snapshot(runtime: Runtime | None = None) -> bytes:
    """How much of every pool is used: the body of a frame. runtime: the one made last unless given."""

def frame(body: bytes) -> bytes:
    """A body as it goes over the line."""

def send(
    runtime: Runtime | None = None,
    write: Callable[[memoryview], object] | None = None,
    name: str = "",
    collect: bool = True,
) -> None:
    """Send a snapshot, for `insitu mem --listen`.

    write: what takes the bytes, which it must not keep; the console unless given. name: of this moment. collect:
    collect garbage first, so that MicroPython's heap is what is in use.
    """

def mark(name: str, runtime: Runtime | None = None, write: Callable[[memoryview], object] | None = None) -> None:
    """Send a snapshot that has a name."""

def call(function: Function, *args: Any) -> Any:
    """Call an export, and send a snapshot whose peaks are this call's, by the function's name."""

def every(ms: int, timer: Any = None) -> Any:
    """Send a snapshot every so many milliseconds from a timer, which is returned: its deinit() ends that.

    timer: a machine.Timer, for a port that has no Timer(-1).
    """

async def sending(ms: int) -> NoReturn:
    """The same in a task: asyncio.create_task(telemetry.sending(1000))."""

def reset_peaks(runtime: Runtime | None = None) -> None:
    """Have all peaks begin anew. What an aux stack has below its pointer becomes zeros."""
