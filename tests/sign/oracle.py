"""The verifier under wasmtime, and what cryptography (OpenSSL) says of the same signature."""

from __future__ import annotations

from functools import cache

import wasmtime
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from insitu.sign import verifier

PRIME, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # RFC 8032, 5.1


@cache
def _module() -> tuple[wasmtime.Engine, wasmtime.Module]:
    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, verifier.module())


def verifies(signature: bytes, key: bytes, message: bytes) -> bool:
    """What the module says, a new instance each time."""
    engine, module = _module()
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, module, []).exports(store)
    exports["memory"].write(  # type: ignore[union-attr]
        store,
        signature[32:] + signature[:32] + key + message,
        exports["place"](store),  # type: ignore[operator]
    )
    return bool(exports["verify"](store, len(message)))  # type: ignore[operator]


def openssl_verifies(signature: bytes, key: bytes, message: bytes) -> bool:
    """What OpenSSL says."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
