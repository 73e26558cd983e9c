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
        pending, at = self._pending + data, 0
        bodies: list[bytes] = []
        other: list[bytes] = []
        while True:
            start = pending.find(_START, at)
            if start < 0:
                keep = 1 if pending.endswith(_START[:1], at) else 0
                other.append(pending[at : len(pending) - keep])
                self._pending = pending[len(pending) - keep :]
                break
            other.append(pending[at:start])
            end = pending.find(_END, start)
            again = pending.find(_START, start + 2)
            if again >= 0 and (end < 0 or again < end):  # a start inside: the first was none, or was cut off
                at = again
                other.append(pending[start:again])
                continue
            if end < 0 and len(pending) - start <= MAX_FRAME:
                self._pending = pending[start:]
                break
            body = None if end < 0 else unstuff(pending[start + 2 : end])
            at = start + 2 if body is None else end + 1
            if body is None:
                other.append(pending[start:at])
            else:
                bodies.append(body)
        return bodies, b"".join(other)
