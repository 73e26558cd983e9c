"""Files that code on the device reads from the host while it runs: asked for in what it prints, answered on its input.

    device: TOKEN PATH AT SIZE      so many bytes of a file, from AT on, are wanted; SIZE 0: what PATH is
    host:   TOKEN BASE64            the bytes, fewer at the file's end; what it is: a byte of KINDS, none: not there

A line each. Only who made the token can ask, so what a program prints is never taken for a question.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping

from insitu.link.printed import begins

FOLDER, FILE = 0x40, 0x80  # KINDS: the upper byte of stat's st_mode


class Files:
    """Files by name, for a device that knows the token."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.token = secrets.token_hex(8)
        self._files = files
        self._question = re.compile(rf"{self.token} (\S+) (\d+) (\d+)\r?\n".encode())

    def answer(self, printed: bytes) -> tuple[int, int, bytes] | None:
        """The first question in what the device has printed: where it starts and ends, and the answer. None: none."""
        found = self._question.search(printed)
        if found is None:
            return None
        path, at, size = found[1].decode().strip("/"), int(found[2]), int(found[3])
        piece = self._files.get(path, b"")[at : at + size] if size else self._kind(path)
        return found.start(), found.end(), f"{self.token} {base64.b64encode(piece).decode()}\n".encode()

    def asked_from(self, printed: bytes) -> int:
        """From where what the device has printed may be a question."""
        return begins(printed, self.token.encode())

    def _kind(self, path: str) -> bytes:
        if path in self._files:
            return bytes([FILE])
        return bytes([FOLDER]) if any(name.startswith(f"{path}/") for name in self._files) else b""
