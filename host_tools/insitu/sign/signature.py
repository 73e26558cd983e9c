"""An image with a signature behind it: port/update/trust.py has its layout and what is signed."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from insitu.errors import InsituError
from insitu.image.read import read
from insitu.port.update import trust
from insitu.port.update.images import MOST_NAME
from insitu.sign import keys


def sign(data: bytes, key: Path, name: str, version: int) -> bytes:
    """The image, with a signature in the place of one that it may have. name: "" where it has none.

    Raises InsituError where data is no image, or key no private key.
    """
    private = keys.load(key)
    image, called = read(data).data, name.encode()
    if len(called) > MOST_NAME:
        raise InsituError(f"{name!r}: a name has at most {MOST_NAME} bytes")
    public = private.public_key().public_bytes_raw()
    fields = struct.pack(trust.SIGNED, trust.SIGNED_MAGIC, version, public, len(called), called)
    return image + fields + bytes(private.sign(trust.message(called, version, hashlib.sha256(image).digest())))
