"""Where the memory went: what `insitu mem` reads."""

from collections.abc import Callable

from insitu.runtime import Runtime

def snapshot(runtime: Runtime | None = None) -> bytes:
    """How much of every pool is used: the body of a frame. runtime: the one made last unless given."""

def frame(body: bytes) -> bytes:
    """A body as it goes over the line."""

def send(runtime: Runtime | None = None, write: Callable[[bytes], object] | None = None) -> None:
    """Send a snapshot, for `insitu mem --listen`. write: what takes the bytes, the console unless given."""

def reset_peaks(runtime: Runtime | None = None) -> None:
    """Have all peaks begin anew. What an aux stack has below its pointer becomes zeros."""
