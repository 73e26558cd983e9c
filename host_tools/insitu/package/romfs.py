"""The device package as records of a ROM file system (extmod/vfs_rom.c of MicroPython)."""

from __future__ import annotations

from pathlib import PurePosixPath

from mpremote import romfs

from insitu.board.record import Board
from insitu.package.compile import compiled


def add_package(writer: romfs.VfsRomWriter, board: Board) -> None:
    """The folder insitu, for import."""
    _add(writer, {PurePosixPath("insitu", name): data for name, data in compiled(board).items()})


def _add(writer: romfs.VfsRomWriter, files: dict[PurePosixPath, bytes]) -> None:
    for name in sorted({path.parts[0] for path in files}):
        inside = {path.relative_to(name): data for path, data in files.items() if path.parts[0] == name}
        if PurePosixPath() in inside:
            writer.mkfile(name, inside[PurePosixPath()])
        else:
            writer.opendir(name)
            _add(writer, inside)
            writer.closedir()
