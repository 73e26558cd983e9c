"""What runs device code: a MicroPython behind a line, or this process in its stead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from insitu.errors import InsituError
from insitu.link.printed import Say, unheard


class DeviceError(InsituError):
    """An exception on the device, with its traceback.

    Attributes:
        kind, text: the exception's class and what it says.
        traceback: all its lines; output: what was printed before it.
    """

    def __init__(self, traceback: str, output: bytes = b"") -> None:
        self.traceback = traceback.replace("\r\n", "\n").strip()
        super().__init__(f"an exception on the device\n{self.traceback or 'without a text'}")
        # Behind the calls, which are indented: a text may have lines of its own.
        lines = self.traceback.split("\n")
        calls = next((i for i, line in enumerate(lines) if i and not line.startswith("  ")), len(lines) - 1)
        self.kind, _, self.text = "\n".join(lines[calls:]).removesuffix(":").partition(": ")
        self.output = output


class Runner(ABC):
    """Use it in a `with`."""

    @abstractmethod
    def run(self, code: str, *, timeout: float | None = None, say: Say = unheard) -> bytes:
        """Run code, return the bytes it printed; say gets them while it runs.

        Raises DeviceError with the device's traceback; QuietError where code prints nothing for timeout seconds,
        after which it may run on. A line's end is what the device makes of it, "\\r\\n" or "\\n".
        """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...
