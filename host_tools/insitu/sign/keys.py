"""Ed25519 keys: a private one in a PEM file, which stays with whoever releases images; its public one in 32 bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from insitu.commands.build import read_file
from insitu.errors import InsituError


def _cryptography() -> tuple[Any, Any]:
    """cryptography's Ed25519 and its serialization. Raises InsituError where it is not installed."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise InsituError(
            "cryptography, which makes keys and signs, is not installed: pip install insitu[sign]"
        ) from None
    return ed25519, serialization


def make(path: Path) -> bytes:
    """Make a private key in a new file that its owner alone can read; its public key.

    Raises InsituError where there is a file already.
    """
    ed25519, serialization = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(text)
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}: a key is never written over another file") from None
    return bytes(key.public_key().public_bytes_raw())


def load(path: Path) -> Any:
    """The private key of a PEM file. Raises InsituError where there is none, or of another kind."""
    ed25519, serialization = _cryptography()
    try:
        key = serialization.load_pem_private_key(read_file(path), None)
    except (ValueError, TypeError) as error:
        raise InsituError(f"{path} is no private key without a password: {error}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InsituError(f"{path} has a key of another kind: `insitu keygen` makes one for Ed25519")
    return key
