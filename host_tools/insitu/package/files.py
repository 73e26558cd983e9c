"""The device package on the file system that a board's firmware makes at its first start."""

from __future__ import annotations

import hashlib

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.link.runner import Runner
from insitu.package import compile as package

# Code for where the board looks for packages: /lib, but /flash/lib on STM32 (ports/stm32/main.c), /sd/lib with a card.
ROOT = "next((p for p in sys.path if p.endswith('/lib')), '/lib')"
_PACKAGE = "/insitu"
_DIGEST = f"{_PACKAGE}/digest"  # written last
# MicroPython's littlefs on flash: ports/rp2/modules/_boot.py
_BUILT, _BLOCK, _PROGRAMMED = "/lib", 4096, 256


def digest(board: Board) -> str:
    """Of all files of the board's package and their names."""
    found = hashlib.sha256()
    for name, data in sorted(package.compiled(board).items()):
        found.update(f"{name} {len(data)}\n".encode() + data)
    return found.hexdigest()


def is_there(link: Runner, board: Board) -> bool:
    """Whether the board behind link has this package, whole."""
    found = link.run(f"import sys\ntry: print(open({ROOT} + {_DIGEST!r}).read())\nexcept OSError: print()\n")
    return found.decode().strip() == digest(board)


def begin(link: Runner) -> None:
    """Before its files change."""
    link.run(f"import os, sys\ntry: os.remove({ROOT} + {_DIGEST!r})\nexcept OSError: pass\n")


def end(link: Runner, board: Board) -> None:
    """All files are there."""
    link.run(f"import sys\nwith open({ROOT} + {_DIGEST!r}, 'w') as f: f.write('{digest(board)}')\n")


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
    files = {f"{_BUILT}{_PACKAGE}/{name}": data for name, data in package.compiled(board).items()}
    made.makedirs(_BUILT + _PACKAGE)
    for path, data in {**files, _BUILT + _DIGEST: digest(board).encode()}.items():
        with made.open(path, "wb") as file:
            file.write(data)
    return bytes(made.context.buffer)


def filesystem(board: Board) -> Region:
    """Where it lies. Raises InsituError where the firmware has none."""
    if board.filesystem is None:
        raise InsituError(f"the firmware of {board.name} has no file system: deploy the package in another way")
    return board.filesystem
