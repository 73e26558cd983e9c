"""Where snapshots come from: a board that is asked, one that sends by itself, a recording."""

from __future__ import annotations

import time
from typing import Protocol

from insitu.link.raw_repl import Link
from insitu.link.runner import Runner
from insitu.telemetry import ask
from insitu.telemetry.decode import SumError
from insitu.telemetry.frames import Scanner
from insitu.telemetry.record import Entry, Recording

_RESET = "import insitu.telemetry\ninsitu.telemetry.reset_peaks()\n"
# What MicroPython's collector says of its heap; the firmware may have been built without.
_FRAGMENTS = "import micropython\nif hasattr(micropython, 'mem_info'): micropython.mem_info()\n"
_MOST_PRINTED = 4096  # bytes: mem_info() prints some hundred


class Source(Protocol):
    """Attributes: name: for a person; resets: whether reset_peaks does anything; left_out: snapshots whose parts do not
    add up, for a timer took them in the middle of something."""

    name: str
    resets: bool
    left_out: int

    def take(self) -> list[Entry]:
        """What there is now, maybe nothing: it does not wait long. Raises EOFError where nothing is to come."""

    def reset_peaks(self) -> None:
        """Have peaks begin anew."""


class Asked:
    """A device that is asked every so many seconds."""

    resets, left_out = True, 0

    def __init__(self, link: Runner, name: str, seconds: float = 1) -> None:
        self.name, self._link, self._seconds = name, link, seconds
        self._begin, self._next = time.monotonic(), 0.0

    def take(self) -> list[Entry]:
        now = time.monotonic() - self._begin
        if now < self._next:
            time.sleep(min(self._next - now, 0.05))
            return []
        self._next = now + self._seconds
        found = ask.snapshot(self._link, _FRAGMENTS)
        return [Entry(round(now, 3), found["mark"], found)]

    def reset_peaks(self) -> None:
        self._link.run(_RESET)


class Heard:
    """A program at a serial port that sends by itself and is not stopped.

    Where it prints micropython.mem_info() before a snapshot, that has the largest free block, too.
    """

    resets = False

    def __init__(self, port: str) -> None:
        self.name, self.left_out = port, 0
        self._printed = b""  # since the last snapshot
        self._link, self._scanner = Link(port), Scanner()
        self._begin = time.monotonic()

    def take(self) -> list[Entry]:
        bodies, other = self._scanner.feed(self._link.read())
        self._printed = (self._printed + other)[-_MOST_PRINTED:]
        now, found = time.monotonic() - self._begin, []
        for body in bodies:
            try:
                one = ask.checked(body)
            except SumError:
                self.left_out += 1
                continue
            ask.add_largest_free(one, self._printed)
            found.append(Entry(round(now, 3), one["mark"], one))
        if bodies:
            self._printed = b""
        return found

    def reset_peaks(self) -> None:
        """It cannot be asked."""


class Replayed:
    """A recording, at the speed at which it was made."""

    resets, left_out = False, 0

    def __init__(self, recording: Recording, name: str) -> None:
        self.name, self._left = name, list(recording.entries)
        self._begin = time.monotonic()

    def take(self) -> list[Entry]:
        if not self._left:
            raise EOFError
        now = time.monotonic() - self._begin
        if now < self._left[0].seconds:
            time.sleep(min(self._left[0].seconds - now, 0.05))
            return []
        return [self._left.pop(0)]

    def reset_peaks(self) -> None:
        """What was is over."""
