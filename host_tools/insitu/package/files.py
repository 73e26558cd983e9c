"""The device package on the file system that a board's firmware makes at its first start.

Where the board's file has a place for it, code (bytecode, too) lies apart from the files, in flash that is executed.
"""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.link.memory import device_crc
from insitu.link.runner import Runner
from insitu.mpy.device import loader_files
from insitu.mpy.link import apart
from insitu.package import compile as package

# Code for where the board looks for packages: /lib, but /flash/lib on STM32 (ports/stm32/main.c), /sd/lib with a card.
ROOT = "next((p for p in sys.path if p.endswith('/lib')), '/lib')"
FOLDER = "insitu"
_DIGEST = f"{FOLDER}/digest"  # written last
# MicroPython's littlefs on flash: ports/rp2/modules/_boot.py
_BUILT, _BLOCK, _PROGRAMMED = "/lib", 4096, 256


@dataclass(frozen=True, slots=True)
class Package:
    """What a board gets. Attributes: files: by path below ROOT; code: what lies in board.package_code."""

    files: Mapping[str, bytes]
    code: bytes = b""

    @property
    def digest(self) -> str:
        """Of everything."""
        found = hashlib.sha256(self.code)
        for name, data in sorted(self.files.items()):
            found.update(f"{name} {len(data)}\n".encode() + data)
        return found.hexdigest()

    @property
    def installed(self) -> Mapping[str, bytes]:
        """The files, and the one that says that all of them are there: the last that is written."""
        return {**self.files, _DIGEST: self.digest.encode()}


def copied(board: Board) -> Package:
    """The package whose code MicroPython copies to RAM."""
    return Package({f"{FOLDER}/{name}": data for name, data in package.compiled(board).items()})


def linked(board: Board) -> Package:
    """The package whose code lies in board.package_code, where there is such a place.

    Raises InsituError where it is too small.
    """
    return _linked(board, board.package_code) if board.package_code else copied(board)


@functools.cache
def _linked(board: Board, place: Region) -> Package:
    # the package's own module is first: it is written last, so what a power cut leaves is refused at import
    code, files = b"", {**loader_files(board.target)}
    for name, data in package.compiled(board).items():
        is_code = name.endswith(".mpy")
        files[f"{FOLDER}/{name}"], piece = apart(data, place.address + len(code)) if is_code else (data, b"")
        code += piece
    if len(code) > place.size:
        raise InsituError(f"the package's code has {len(code)} bytes, {board.name} has {place.size} for it")
    return Package(files, code)


def usable(link: Runner, board: Board) -> Package:
    """linked(), if its code is in flash of the board behind link; else copied()."""
    found = linked(board)
    if board.package_code and device_crc(link, board.package_code.address, len(found.code)) != zlib.crc32(found.code):
        return copied(board)
    return found


def is_there(link: Runner, found: Package) -> bool:
    """Whether the board behind link has these files, whole."""
    said = link.run(f"import sys\ntry: print(open({ROOT} + '/{_DIGEST}').read())\nexcept OSError: print()\n")
    return said.decode().strip() == found.digest


def begin(link: Runner) -> None:
    """Before its files change."""
    link.run(f"import os, sys\ntry: os.remove({ROOT} + '/{_DIGEST}')\nexcept OSError: pass\n")


def end(link: Runner, found: Package) -> None:
    """All files are there."""
    link.run(f"import sys\nwith open({ROOT} + '/{_DIGEST}', 'w') as f: f.write('{found.digest}')\n")


def build(board: Board) -> bytes:
    """The file system with the package on it, for an emulated board.

    Raises InsituError where the board has none, or littlefs-python is not installed.
    """
    region = filesystem(board)
    try:
        import littlefs
    except ImportError:
        raise InsituError(
            "littlefs-python, which makes an emulated board's file system, is not installed: pip install insitu[rp2040]"
        ) from None
    made = littlefs.LittleFS(block_size=_BLOCK, block_count=region.size // _BLOCK, prog_size=_PROGRAMMED)
    made.makedirs(f"{_BUILT}/{FOLDER}")
    for path, data in linked(board).installed.items():
        with made.open(f"{_BUILT}/{path}", "wb") as file:
            file.write(data)
    return bytes(made.context.buffer)


def filesystem(board: Board) -> Region:
    """Where it lies. Raises InsituError where the firmware has none."""
    if board.filesystem is None:
        raise InsituError(f"the firmware of {board.name} has no file system: deploy the package in another way")
    return board.filesystem
