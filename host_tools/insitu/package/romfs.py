"""The device package in a ROM file system: linked to its place, so that its machine code stays there."""

from __future__ import annotations

from collections.abc import Mapping

from insitu.board.record import Board
from insitu.mpy.device import loader_files
from insitu.mpy.romfs import build_romfs
from insitu.package.compile import compiled


def build(board: Board, address: int, before: Mapping[str, bytes] | None = None) -> bytes:
    """A ROM file system that is to lie at address, a multiple of 8, with the package for import.

    before: further files, by path, which come first.
    """
    package = {f"insitu/{name}": data for name, data in compiled(board).items()}
    return build_romfs({**(before or {}), **loader_files(board.target), **package}, address)
