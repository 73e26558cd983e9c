"""A program with POSIX threads: compiled, and linked with the library."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from insitu.pthread.library import TARGET, ZIG, archive, libraries, run

_MEMORY = ("--import-memory", "--export-memory", "--shared-memory", "--page-size=1", "--no-growable-memory")
_SIZES = ("-z", "stack-size=16384", "--initial-heap=65536")
_LINKED = {".a", ".o"}


def compile_and_link(words: Sequence[str], made: Path) -> str:
    """Write a program of wasi-threads; what the compiler warns of.

    words: sources, objects, flags for the compiler, flags for the linker that begin with -Wl,. Raises InsituError.
    """
    linker = [part for word in words if word.startswith("-Wl,") for part in word.split(",")[1:]]
    sources = [word for word in words if word.endswith(".c")]
    linked = [word for word in words if Path(word).suffix in _LINKED]
    flags = [word for word in words if word not in {*sources, *linked} and not word.startswith("-Wl,")]
    said = ""
    with tempfile.TemporaryDirectory(prefix="insitu-pthread-") as folder:
        library = Path(folder, "libthreads.a")
        for number, source in enumerate(sources):
            linked.append(str(Path(folder, f"{number}.o")))
            said += run(*ZIG, "cc", *TARGET, "-pthread", *flags, "-c", source, "-o", linked[-1])
        archive(library)
        sizes = [*_MEMORY, *_SIZES, *linker]
        run(*ZIG, "wasm-ld", *sizes, *linked, str(library), *libraries(), "-o", str(made))
    return said
