"""Modules out of `wasm-tools smith`, and the calls to make on them; a seed always gives the same."""

from __future__ import annotations

import random
import subprocess
import sysconfig
from pathlib import Path

WASM_TOOLS = Path(sysconfig.get_path("scripts")) / "wasm-tools"
# WebAssembly 2.0 without SIMD; everything is exported, so that all state can be compared; nothing may depend on a
# NaN's bits, on how much memory the host has, or run for ever.
_OPTIONS = {
    "allow-start-export": "true",
    "bulk-memory-enabled": "true",
    "canonicalize-nans": "true",
    "compact-imports-enabled": "false",
    "exceptions-enabled": "false",
    "export-everything": "true",
    "extended-const-enabled": "false",
    "gc-enabled": "false",
    "generate-custom-sections": "false",
    "max-data-segments": "5",
    "max-element-segments": "5",
    "max-elements": "20",
    "max-funcs": "12",
    "max-imports": "0",
    "max-instructions": "120",
    "max-memories": "1",
    "max-memory32-bytes": "196608",
    "max-nesting-depth": "30",
    "max-table-elements": "40",
    "memory64-enabled": "false",
    "memory-max-size-required": "true",
    "memory-offset-choices": "90,8,2",
    "min-funcs": "1",
    "multi-value-enabled": "true",
    "reference-types-enabled": "true",
    "relaxed-simd-enabled": "false",
    "simd-enabled": "false",
    "table-max-size-required": "true",
    "tail-call-enabled": "false",
    "threads-enabled": "false",
    "wide-arithmetic-enabled": "false",
}
FUEL = 300
INTERESTING = (0, 1, -1, 2, 7, 31, 32, 63, 64, 255, 65535, 65536, 0x7FFFFFFF, -0x80000000)
FLOATS = (0.0, -0.0, 1.0, -1.5, 0.5, 1e10, -1e10, 3.0e38, 2147483648.0, float("inf"), float("-inf"))


def module(seed: int) -> bytes:
    """A module, or b"" where the generator gives up on this seed."""
    chance = random.Random(seed)
    return smith(chance.randbytes(chance.choice((500, 2000, 5000, 12000))), {})


def smith(data: bytes, more: dict[str, str]) -> bytes:
    """The module that wasm-tools makes of random bytes, with these options, too; b"" where it gives up on them."""
    options = [f"--{name}={value}" for name, value in {**_OPTIONS, **more}.items()]
    command = [str(WASM_TOOLS), "smith", "--ensure-termination", f"--fuel={FUEL}", *options]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode not in (0, 2):
        raise RuntimeError(done.stderr.decode())
    return done.stdout if done.returncode == 0 else b""


def arguments(seed: int, call: int, types: str) -> list[int | float | None]:
    """Values for parameters of these types (letters i, I, f, F, p, x; a reference is null)."""
    chance = random.Random(seed * 1000 + call)
    values: list[int | float | None] = []
    for letter in types:
        if letter in "px":
            values.append(None)
        elif letter in "fF":
            values.append(chance.choice(FLOATS) if chance.random() < 0.5 else float(chance.randint(-1000, 1000)))
        else:
            bits = 31 if letter == "i" else 63
            wild = chance.randint(-(1 << bits), (1 << bits) - 1)
            values.append(chance.choice(INTERESTING) if chance.random() < 0.6 else wild)
    return [_single(v) if t == "f" and isinstance(v, float) else v for t, v in zip(types, values, strict=True)]


def _single(value: float) -> float:
    import struct

    return float(struct.unpack("<f", struct.pack("<f", value))[0])
