"""The module that verifies signatures on a board, verifier.c, and the SHA-256 by which a board knows its image."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from importlib.resources import files
from pathlib import Path

from insitu import aot, places
from insitu.aot import compile_wasm
from insitu.port.xip import layout
from insitu.toolchain import to_wasm

_AUX_STACK = 384  # bytes: it takes 352, on any CPU
_FLAGS = ("-Os", "-Wl,--strip-all", f"-Wl,-z,stack-size={_AUX_STACK}")


def module() -> bytes:
    """It as WebAssembly."""
    with tempfile.TemporaryDirectory(prefix="insitu-sign-") as name:
        source, made = Path(name, "verifier.c"), Path(name, "verifier.wasm")
        source.write_bytes(files("insitu.sign").joinpath("verifier.c").read_bytes())
        to_wasm(source, made, flags=_FLAGS)
        return made.read_bytes()


@functools.cache
def image(target: str) -> bytes:
    """It for boards of a target.

    Each package has its hash, so it is kept from process to process, by all that it is made with.
    """
    kept = places.folder() / "verifier" / f"{target}-{_made_with()}.xip"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as made:
            made.write(compile_wasm(module(), target))
        Path(made.name).replace(kept)  # another process may make it, too
    return kept.read_bytes()


def digest(target: str) -> bytes:
    """SHA-256 of image(target)."""
    return hashlib.sha256(image(target)).digest()


@functools.cache
def _made_with() -> str:
    """Of compiler, layout and source."""
    package = Path(aot.__file__).parents[1]
    sources = [*(package / "aot").rglob("*"), *(package / "wasm").rglob("*"), Path(layout.__file__)]
    sources += [package / "sign" / "verifier.c", Path(__file__)]
    found = hashlib.sha256()
    for path in sorted(path for path in sources if path.is_file() and path.suffix != ".pyc"):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
