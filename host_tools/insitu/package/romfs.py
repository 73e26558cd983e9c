"""The device package as records of a ROM file system (extmod/vfs_rom.c of MicroPython)."""

from __future__ import annotations

from mpremote import romfs

from insitu.board.record import Board
from insitu.package.compile import compiled


def add_package(writer: romfs.VfsRomWriter, board: Board) -> None:
    """The folder insitu, for import."""
    writer.opendir("insitu")
    for name, data in sorted(compiled(board).items()):
        writer.mkfile(name, data)
    writer.closedir()
