"""MicroPython's raw REPL over a serial line: run code on the board, get what it printed.

The protocol is MicroPython's: Ctrl-A raw REPL, Ctrl-D run, output, 0x04, error, 0x04, prompt ">"
(docs/reference/repl.rst of MicroPython).
"""

from __future__ import annotations

import contextlib
import time

import serial

from insitu.errors import InsituError

_INTERRUPT, _RAW, _FRIENDLY, _RUN, _END = b"\x03", b"\x01", b"\x02", b"\x04", b"\x04"
_CHUNK = 256  # bytes at a time: a small board's receive buffer


class DeviceError(InsituError):
    """An exception on the device, with its traceback.

    Attributes:
        kind, text: the exception's class and what it says.
        traceback: all its lines; output: what was printed before it.
    """

    def __init__(self, traceback: str, output: bytes = b"") -> None:
        self.traceback = traceback.replace("\r\n", "\n").strip()
        super().__init__(f"an exception on the device\n{self.traceback or 'without a text'}")
        last = self.traceback.rpartition("\n")[2]
        self.kind, _, self.text = last.partition(": ")
        self.output = output


class Link:
    """A board's raw REPL at a port; use it in a `with`."""

    def __init__(self, port: str, *, baudrate: int = 115200, timeout: float = 30.0) -> None:
        self.timeout = timeout
        try:
            self._serial = serial.Serial(port, baudrate, timeout=0.05)
        except (OSError, serial.SerialException) as error:
            raise InsituError(f"cannot open {port}: {getattr(error, 'strerror', None) or error}") from None
        self._left = b""

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

    def _write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except (OSError, serial.SerialException) as error:
            raise InsituError(f"{self._serial.port} is gone: {error}") from None

    def read(self) -> bytes:
        """What the board has sent, at least a byte unless none comes for a short while."""
        try:
            return bytes(self._serial.read(max(1, self._serial.in_waiting)))
        except (OSError, serial.SerialException) as error:
            raise InsituError(f"{self._serial.port} is gone: {error}") from None

    def _enter_raw(self) -> None:
        """Ask until the raw REPL answers: right after power-on what is written may be lost."""
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            self._write(b"\r" + _INTERRUPT + _RAW)
            got = self._read_for(0.3, b"raw REPL; CTRL-B to exit\r\n>")
            if b"raw REPL; CTRL-B to exit\r\n>" in got:
                self._read_for(0.02, b"\0never")
                return
        raise InsituError(f"no MicroPython prompt within {self.timeout:.0f} s")

    def _read_for(self, seconds: float, until: bytes) -> bytes:
        got, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and until not in got:
            got += self.read()
        return got

    def _until(self, mark: bytes, end: float) -> bytes:
        """Bytes up to mark, which is taken off."""
        while mark not in self._left:
            if time.monotonic() > end:
                raise InsituError(
                    f"the device did not answer within {self.timeout:.0f} s; it said {self._left[-200:]!r}"
                )
            self._left += self.read()
        taken, _, self._left = self._left.partition(mark)
        return taken

    def start(self, code: str) -> None:
        """Have code run, and wait for nothing."""
        data = code.encode()
        for at in range(0, len(data), _CHUNK):
            self._write(data[at : at + _CHUNK])
        self._write(_RUN)

    def run(self, code: str, *, timeout: float | None = None) -> bytes:
        """Run code, return the bytes it printed. Raises DeviceError with the device's traceback."""
        self.start(code)
        end = time.monotonic() + (timeout or self.timeout)
        self._until(b"OK", end)
        output = self._until(_END, end)
        error = self._until(_END, end)
        self._until(b">", end)
        if error:
            raise DeviceError(error.decode("utf-8", "replace"), output)
        return output
