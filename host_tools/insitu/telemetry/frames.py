"""Telemetry frames among whatever else a serial line carries."""

from __future__ import annotations

import struct
import zlib

from insitu.port.xip import frames

_START = bytes((frames.FRAME_START0, frames.FRAME_START1))
_END = bytes((frames.FRAME_END,))
MAX_FRAME = 65536  # bytes; what claims to be longer is no frame


def unstuff(data: bytes) -> bytes | None:
    """The body of what stood between start and end; None where its CRC or its escapes are wrong."""
    body, escaped = bytearray(), False
    for byte in data:
        if escaped:
            body.append(byte ^ frames.FRAME_FLIP)
            escaped = False
        elif byte == frames.FRAME_ESCAPE:
            escaped = True
        else:
            body.append(byte)
    if escaped or len(body) < 5:
        return None
    (crc,) = struct.unpack("<I", body[-4:])
    return bytes(body[:-4]) if zlib.crc32(body[:-4]) == crc else None


class Scanner:
    """Takes bytes as they come, in any pieces; gives back frames' bodies, and all that is no frame."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Bodies of the frames that are complete now, and the other output so far."""
        self._pending += data
        bodies: list[bytes] = []
        other = b""
        while True:
            start = self._pending.find(_START)
            if start < 0:
                keep = 1 if self._pending.endswith(_START[:1]) else 0
                cut = len(self._pending) - keep
                other, self._pending = other + self._pending[:cut], self._pending[cut:]
                return bodies, other
            other, self._pending = other + self._pending[:start], self._pending[start:]
            end = self._pending.find(_END)
            again = self._pending.find(_START, 2)
            if again >= 0 and (end < 0 or again < end):  # a start inside: the first was none, or was cut off
                other, self._pending = other + self._pending[:again], self._pending[again:]
                continue
            if end < 0:
                if len(self._pending) <= MAX_FRAME:
                    return bodies, other
                other, self._pending = other + self._pending[:2], self._pending[2:]
                continue
            body = unstuff(self._pending[2:end])
            if body is None:
                other, self._pending = other + self._pending[:2], self._pending[2:]
            else:
                bodies.append(body)
                self._pending = self._pending[end + 1 :]
