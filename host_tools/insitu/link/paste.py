"""Raw paste: code to the board no faster than it takes it (docs/reference/repl.rst of MicroPython, since 1.14)."""

from __future__ import annotations

import struct
import time
from typing import Protocol

from insitu.errors import LineError

_ASK = b"\x05A\x01"
_YES = b"R\x01"
_MORE, _STOP, _END = b"\x01", b"\x04", b"\x04"
_PATIENCE = (
    10.0  # seconds for an answer, as long as a busy emulator may need; a firmware that does not know the question
)
# says its banner again


class Line(Protocol):
    """What bytes go through."""

    _left: bytes

    def write(self, data: bytes) -> None: ...

    def read(self) -> bytes: ...


def send(line: Line, data: bytes, end: float) -> bool:
    """Send data by raw paste, up to where the program's output begins; False where the firmware has none.

    line: in the raw REPL's prompt. What is read too far is left in line._left. Raises LineError where the board
    stops taking it before the time end.
    """
    line.write(_ASK)
    got = _read(line, b"", 2, min(end, time.monotonic() + _PATIENCE))
    if not got.startswith(_YES):
        return False
    got = _read(line, got, 4, end)
    (window,) = struct.unpack_from("<H", got, 2)
    got, room, at = got[4:], window, 0
    while at < len(data):
        if not room or got:
            got = _answer(line, got, end)
            if got[:1] == _STOP:  # it has enough: a syntax error, or it was interrupted
                line.write(_END)
                line._left = got[1:]
                return True
            room, got = room + window, got[1:]
            continue
        piece = data[at : at + room]
        line.write(piece)
        at, room = at + len(piece), room - len(piece)
    line.write(_END)
    while (got := _answer(line, got, end))[:1] == _MORE:
        got = got[1:]
    line._left = got[1:]
    return True


def _read(line: Line, got: bytes, count: int, end: float) -> bytes:
    """got and what follows, at least count bytes if they come in time."""
    while len(got) < count:
        if time.monotonic() > end:
            return got
        got += line.read()
    return got


def _answer(line: Line, got: bytes, end: float) -> bytes:
    """got and what follows, at least a byte."""
    got = _read(line, got, 1, end)
    if not got:
        raise LineError("the device takes no more of the code that is sent to it")
    return got
