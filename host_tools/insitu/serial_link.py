"""MicroPython's raw REPL over a serial line: run code on the board, get what it printed.

The protocol is MicroPython's: Ctrl-A raw REPL, Ctrl-D run, output, 0x04, error, 0x04, prompt ">"
(docs/reference/repl.rst of MicroPython).
"""

from __future__ import annotations

import time

import serial

from insitu.errors import InsituError

_INTERRUPT, _RAW, _RUN, _END = b"\x03", b"\x01", b"\x04", b"\x04"
_CHUNK = 256  # bytes at a time: a small board's receive buffer


class DeviceError(InsituError):
    """An exception on the device; traceback holds its lines, output what was printed before it."""

    def __init__(self, traceback: str, output: bytes = b"") -> None:
        lines = [line for line in traceback.strip().splitlines() if line.strip()]
        super().__init__(f"on the device: {lines[-1] if lines else 'an error without a text'}")
        self.traceback = traceback
        self.output = output


class Link:
    """A board's raw REPL at a port; use it in a `with`."""

    def __init__(self, port: str, *, baudrate: int = 115200, timeout: float = 30.0) -> None:
        self.timeout = timeout
        try:
            self._serial = serial.Serial(port, baudrate, timeout=0.05)
        except (OSError, serial.SerialException) as error:
            raise InsituError(f"cannot open {port}: {error}") from None
        self._left = b""

    def __enter__(self) -> Link:
        self._enter_raw()
        return self

    def __exit__(self, *_: object) -> None:
        self._serial.close()

    def _enter_raw(self) -> None:
        """Ask until the raw REPL answers: right after power-on what is written may be lost."""
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            self._serial.write(b"\r" + _INTERRUPT + _RAW)
            got = self._read_for(0.3, b"raw REPL; CTRL-B to exit\r\n>")
            if b"raw REPL; CTRL-B to exit\r\n>" in got:
                self._read_for(0.02, b"\0never")
                return
        raise InsituError(f"no MicroPython prompt within {self.timeout:.0f} s")

    def _read_for(self, seconds: float, until: bytes) -> bytes:
        got, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and until not in got:
            got += self._serial.read(max(1, self._serial.in_waiting))
        return got

    def _until(self, mark: bytes, end: float) -> bytes:
        """Bytes up to mark, which is taken off."""
        while mark not in self._left:
            if time.monotonic() > end:
                raise InsituError(
                    f"the device did not answer within {self.timeout:.0f} s; it said {self._left[-200:]!r}"
                )
            self._left += self._serial.read(max(1, self._serial.in_waiting))
        taken, _, self._left = self._left.partition(mark)
        return taken

    def run(self, code: str, *, timeout: float | None = None) -> bytes:
        """Run code, return the bytes it printed. Raises DeviceError with the device's traceback."""
        data = code.encode()
        for start in range(0, len(data), _CHUNK):
            self._serial.write(data[start : start + _CHUNK])
        self._serial.write(_RUN)
        end = time.monotonic() + (timeout or self.timeout)
        self._until(b"OK", end)
        output = self._until(_END, end)
        error = self._until(_END, end)
        self._until(b">", end)
        if error:
            raise DeviceError(error.decode("utf-8", "replace"), output)
        return output
