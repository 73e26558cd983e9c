"""What a program prints, passed on while it runs, without what insitu prints behind it."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[bytes], None]


def unheard(_: bytes) -> None:
    """Nobody waits for it."""


def begins(data: bytes, mark: bytes) -> int:
    """Where mark begins in data, or what may become it when more comes; the length of data if neither is there."""
    found = data.find(mark)
    if found >= 0:
        return found
    cut = next(size for size in range(min(len(mark) - 1, len(data)), -1, -1) if data.endswith(mark[:size]))
    return len(data) - cut


class UpTo:
    """Passes bytes on to say up to a mark, with ends of lines as "\\n"; use it in a `with`."""

    def __init__(self, mark: bytes, say: Say) -> None:
        self._mark, self._say, self._held = mark, say, b""

    def __enter__(self) -> Say:
        return self._take

    def _take(self, data: bytes) -> None:
        held = (self._held + data).replace(b"\r\n", b"\n")
        end = begins(held, self._mark)
        if end == len(held) and held.endswith(b"\r"):
            end -= 1
        self._held = held[end:]
        if end:
            self._say(held[:end])

    def __exit__(self, *_: object) -> None:
        """What was held back is the program's where the mark has not come."""
        if self._held and not self._held.startswith(self._mark):
            self._say(self._held)
