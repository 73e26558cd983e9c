"""C to WebAssembly with ziglang's clang, as selftest, the examples and the benchmarks need it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from insitu.errors import InsituError

_OPTIONS = [
    "-target", "wasm32-freestanding", "-nostdlib", "-O2", "-ffp-contract=off",
    "-Wl,--no-entry", "-Wl,--strip-debug", "-Wl,--export=__data_end", "-Wl,--export=__heap_base",
]  # fmt: skip


def compile_c(source: Path, made: Path, *, stack_size: int = 1024) -> Path:
    """Compile one freestanding C file; its exports are marked in the source. Raises InsituError."""
    command = [sys.executable, "-m", "ziglang", "cc", *_OPTIONS, f"-Wl,-z,stack-size={stack_size}"]
    done = subprocess.run([*command, str(source), "-o", str(made)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InsituError(f"{source.name} does not compile:\n{done.stderr.strip()}")
    return made
