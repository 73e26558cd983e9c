"""MicroPython's raw REPL over a serial line or a socket: run code on the board, get what it printed.

The protocol is MicroPython's (docs/reference/repl.rst): Ctrl-A raw REPL, Ctrl-E A Ctrl-A raw paste with flow control,
Ctrl-D run, output, 0x04, error, 0x04, prompt ">".

A program may print these bytes, too. So the code that is run ends with an assignment of a number that nobody has seen
before, and an exchange is over when the board, asked for the number behind what looks like the end, says it; it says
the one before where the code ended in an exception. Whoever has not seen the source cannot know either.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import serial

from insitu.errors import InsituError, LineError, QuietError
from insitu.link import paste
from insitu.link.files import Files
from insitu.link.printed import Say, unheard
from insitu.link.runner import DeviceError, Runner
from insitu.steps import step

_INTERRUPT, _RAW, _FRIENDLY, _RUN, _END = b"\x03", b"\x01", b"\x02", b"\x04", b"\x04"
_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
_TRACEBACK = b"Traceback (most recent call last):"
_CHUNK = 256  # bytes at a time: a small board's receive buffer
_NAME = "_insitu_nonce"  # of the number, on the board
_ASK = f"print({_NAME})".encode() + _RUN
_GONE = b">OK" + _END + _TRACEBACK  # the answer of a board that has lost the number
_FULL = b">OK" + _END + b"MemoryError"  # of one that has no memory left to understand the question
_QUIET = 0.02  # seconds without a byte, after which nothing more is to come of what was before


def _parts(body: bytes) -> tuple[bytes, str]:
    """Output, and the error behind it."""
    output, _, error = body.rpartition(_END + _TRACEBACK)
    if error:
        return output, (_TRACEBACK + error).decode("utf-8", "replace")
    output, _, error = body.rpartition(_END)  # no traceback: a SyntaxError's may have none
    return output, error.decode("utf-8", "replace")


class Link(Runner):
    """A board's raw REPL at a port, whatever pyserial opens: a device, socket://HOST:PORT, rfc2217://HOST:PORT.

    Use it in a `with`.
    """

    def __init__(self, port: str, *, baudrate: int = 115200, timeout: float = 30.0) -> None:
        self.port, self.timeout, self._baudrate = port, timeout, baudrate
        self._left = b""
        self._nonce = 0
        self._pastes = True
        self._files: Files | None = None
        self._serial = self._open()  # pyserial's own annotations lack in_waiting

    def _open(self) -> Any:
        try:
            return serial.serial_for_url(self.port, self._baudrate, timeout=0.05)
        except (OSError, ValueError, serial.SerialException, re.error) as error:  # hwgrep:// takes a pattern
            raise LineError(f"cannot open {self.port}: {getattr(error, 'strerror', None) or error}") from None

    def __enter__(self) -> Link:
        self._enter_raw()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the board with its friendly REPL, if it still listens."""
        with contextlib.suppress(OSError, serial.SerialException):
            if self._serial.is_open:
                self._serial.write(b"\r" + _FRIENDLY)
        self.close()

    def close(self) -> None:
        """Let go of the port, whatever the board is doing."""
        self._serial.close()

    def write(self, data: bytes) -> None:
        """Send bytes. Raises InsituError where the port is gone."""
        try:
            self._serial.write(data)
        except (OSError, serial.SerialException) as error:
            raise LineError(f"{self.port} is gone: {error}") from None

    def read(self) -> bytes:
        """What the board has sent, at least a byte unless none comes for a short while."""
        try:
            return bytes(self._serial.read(max(1, self._serial.in_waiting)))
        except (OSError, serial.SerialException) as error:
            raise LineError(f"{self.port} is gone: {error}") from None

    def serve(self, files: Files) -> None:
        """Let code that runs read these files."""
        self._files = files

    # --- the raw REPL ---

    def _enter_raw(self) -> None:
        """Ask until the raw REPL answers: right after power-on what is written may be lost."""
        end = time.monotonic() + self.timeout
        with step(f"waiting for the prompt of {self.port}"):
            while time.monotonic() < end:
                self.write(b"\r" + _INTERRUPT + _RAW)
                if _BANNER in self._read_for(0.3, _BANNER):
                    self._read_for(_QUIET, None)
                    self._new_nonce()
                    return
        raise LineError(f"no MicroPython prompt within {self.timeout:.0f} s")

    def _new_nonce(self) -> None:
        """The first number of a board that has none."""
        self._nonce = secrets.randbits(60)
        self._left = b""
        self.write(f"{_NAME}={self._nonce}".encode() + _RUN)
        self._until(b"OK" + _END + _END + b">", time.monotonic() + self.timeout)

    def _read_for(self, seconds: float, until: bytes | None) -> bytes:
        got, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and (until is None or until not in got):
            got += self.read()
        return got

    def _until(self, mark: bytes, end: float) -> bytes:
        """Bytes up to mark, which is taken off."""
        while mark not in self._left:
            self._more(end)
        taken, _, self._left = self._left.partition(mark)
        return taken

    def _more(self, end: float) -> None:
        if time.monotonic() > end:
            raise LineError(f"the device did not answer within {self.timeout:.0f} s; it said {self._left[-200:]!r}")
        self._left += self.read()

    def start(self, code: str) -> None:
        """Have code run, and wait for nothing."""
        self._send(code.encode(), time.monotonic() + self.timeout)

    def _send(self, data: bytes, end: float) -> None:
        """Code to the board, up to where its output begins."""
        if self._pastes:
            self._pastes = paste.send(self, data, end)
            if self._pastes:
                return
            self._read_for(_QUIET, None)  # a firmware that does not paste may have said its banner again
        for at in range(0, len(data), _CHUNK):
            self.write(data[at : at + _CHUNK])
        self.write(_RUN)
        self._left = b""
        self._until(b"OK", end)

    def run(self, code: str, *, timeout: float | None = None, say: Say = unheard) -> bytes:
        """See Runner.run. What code prints may be any bytes; a line's end is what MicroPython makes of it, "\\r\\n"."""
        before, after = self._nonce, secrets.randbits(60)
        self._left = b""
        self._send(f"{code}\n{_NAME}={after}\n".encode(), time.monotonic() + self.timeout)
        body, done, told = self._answer(before, after, timeout or self.timeout, say)
        self._nonce = after if done else before
        output, error = (body.removesuffix(_END), "") if done else _parts(body)
        if told < len(output):
            say(output[told:])
        if not done:
            raise DeviceError(error, output)
        return output

    def _answer(self, before: int, after: int, quiet: float, say: Say) -> tuple[bytes, bool, int]:
        """Output, 0x04, and the error if there is one; whether there is none; how much of it say got.

        quiet: seconds without a byte.
        """
        answers = {number: b">OK%d\r\n%b>" % (number, _END + _END) for number in (before, after)}
        asked = seen = told = 0
        while True:
            seen = min(seen, self._served())
            for number, answer in answers.items():
                body, found, rest = self._left.partition(_END + answer)
                if found:
                    self._left = rest
                    if asked > 1:  # the program printed what looks like an end: questions may be left
                        self._settle(time.monotonic() + self.timeout)
                    return body, number == after, told
            if _GONE in self._left:
                self._settle(time.monotonic() + self.timeout)
                self._new_nonce()
                raise InsituError("the program reset the board, or ended with SystemExit, which does the same")
            if _FULL in self._left:
                raise DeviceError("MemoryError: the device's heap is full")
            told = self._tell(told, say)
            mark = max(self._left.rfind(_END + b">"), self._left.rfind(_BANNER))
            if mark >= seen:
                asked, seen = asked + 1, mark + 1
                self.write(_ASK)
            if not self._read_more(quiet):
                raise QuietError(quiet, self._left)

    def _tell(self, told: int, say: Say) -> int:
        """Pass on what is the program's for certain, behind what was; up to where."""
        end = self._files.asked_from(self._left) if self._files else len(self._left)
        stop = self._left.find(_END, told)
        end = min(end, stop) if stop >= 0 else end
        if end > told:
            say(self._left[told:end])
        return max(told, end)

    def _read_more(self, quiet: float) -> bool:
        """Whether a byte came within so many seconds."""
        end = time.monotonic() + quiet
        while time.monotonic() < end:
            if got := self.read():
                self._left += got
                return True
        return False

    def _served(self) -> int:
        """Answer the device's question for a file, if there is one, and forget it; from where bytes are other ones."""
        found = self._files.answer(self._left) if self._files else None
        if found is None:
            return len(self._left)
        start, stop, answer = found
        self._left = self._left[:start] + self._left[stop:]
        self.write(answer)
        return start

    def _settle(self, end: float) -> None:
        """Have all questions that are still on their way answered: one more, and its answer comes last."""
        token = secrets.randbits(60)
        self.write(f"print({token})".encode() + _RUN)
        self._until(b"OK%d\r\n%b>" % (token, _END + _END), end)

    # --- resets ---

    def soft_reset(self) -> None:
        """A fresh interpreter with an empty heap; main.py does not run. Raises InsituError if it does not come back."""
        self.write(_RUN)
        self._left = b""
        end = time.monotonic() + self.timeout
        self._until(_BANNER, end)
        self._new_nonce()

    def reset(self, how: str = "import machine\nmachine.reset()") -> None:
        """Run code that resets the board, and be in its raw REPL again when it is back.

        A board whose USB port goes away with it is waited for. Raises InsituError if it does not come back.
        """
        with contextlib.suppress(InsituError):  # the port may be gone before all is sent
            self.start(how)
        self.close()
        self._serial = self._again(self._open)
        self._enter_raw()

    def _again(self, act: Callable[[], Any]) -> Any:
        """Try until it works or the time is over."""
        end = time.monotonic() + self.timeout
        while True:
            time.sleep(0.2)
            try:
                return act()
            except InsituError:
                if time.monotonic() > end:
                    raise
