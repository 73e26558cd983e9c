"""python -m tests.sign.damage [--images N] [--seed N]

Signed images damaged, their parts in another order, and with what other signatures have: none is taken. What verifies
is the board's code with the verifier under wasmtime, which is faster than a simulated CPU.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
import wasmtime
from insitu import sim
from insitu.aot import compile_wasm
from insitu.port.errors import LoadError
from insitu.port.update import trust
from insitu.sign import keys
from insitu.sign.signature import sign

from tests.sign.oracle import verifies

TARGET = "cortex-m3"
_BASE = 0x10000000
_BLOCK = trust.SIGNED_SIZE + trust.SIGNATURE_SIZE


@dataclass
class Signed:
    """Attributes: images: of names and versions of _LABELS; public: the key that signed them."""

    images: list[bytes]
    public: bytes
    stranger: bytes  # one that another key has signed


_LABELS = (("app", 1), ("app", 2), ("net", 1))


def make() -> Signed:
    with TemporaryDirectory() as folder:
        own, other = Path(folder, "own"), Path(folder, "other")
        public, _ = keys.make(own), keys.make(other)
        return Signed(
            [sign(returns(value), own, name, version) for value, (name, version) in enumerate(_LABELS)],
            public,
            sign(returns(9), other, "app", 3),
        )


def returns(value: int, target: str = TARGET) -> bytes:
    """An image."""
    text = f'(module (func (export "f") (result i32) (i32.const {value})))'
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), target)


def flipped(rng: random.Random, data: bytes, other: bytes) -> bytes:
    found = bytearray(data)
    found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def reordered(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Two pieces of one size exchanged."""
    size = rng.choice((4, 32, 64))
    first, second = sorted(rng.sample(range(len(data) // size), 2))
    a, b = (slice(size * at, size * at + size) for at in (first, second))
    found = bytearray(data)
    found[a], found[b] = found[b], found[a]
    return bytes(found)


def cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def exchanged(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Some of the signature's fields are another image's."""
    start, end = sorted(rng.sample(range(_BLOCK + 1), 2))
    at = len(data) - _BLOCK
    return data[: at + start] + other[len(other) - _BLOCK + start : len(other) - _BLOCK + end] + data[at + end :]


DAMAGES: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (flipped, reordered, cut, exchanged)


def is_taken(data: bytes, public: bytes, name: str | None = None) -> bool:
    """Whether check() takes it; the image's own checks, which come before, are not asked."""
    size = len(data) - _BLOCK
    if size <= 0:
        return False
    sim.install(sim.Cpu(TARGET)).map_flash(_BASE, data)
    try:
        trust.check(SimpleNamespace(trusted=[public]), _BASE, size, len(data), name)
    except LoadError:
        return False
    return True


def sweep(seeds: range) -> int:
    """How many were damaged; none was taken."""
    made, done = make(), 0
    assert all(is_taken(data, made.public) for data in made.images)
    assert not is_taken(made.stranger, made.public)
    for seed in seeds:
        rng = random.Random(seed)
        data, other = rng.sample([*made.images, made.stranger], 2)
        damaged = DAMAGES[seed % len(DAMAGES)](rng, data, other)
        if damaged in (data, other):
            continue
        assert not is_taken(damaged, made.public), f"seed {seed}"
        done += 1
    return done


def under_wasmtime(patch: pytest.MonkeyPatch) -> None:
    def verified(_: Any, signature: bytes, key: bytes, text: bytes) -> bool:
        return verifies(signature, key, text)

    patch.setattr(trust, "_verified", verified)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sign.damage", description=__doc__)
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0, help="of the first; the others' follow")
    options = parser.parse_args()
    start = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        under_wasmtime(patch)
        done = sweep(range(options.seed, options.seed + options.images))
    print(f"{done} damaged images in {time.monotonic() - start:.0f} s: 0 taken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
