"""What `insitu mpy` makes into a board's flash: a ROM file system, or code that lies apart from its modules."""

from __future__ import annotations

import zlib

from insitu.board.record import Board, Region
from insitu.commands.build import is_image
from insitu.errors import InsituError
from insitu.flash import partition
from insitu.flash.write import Flashed, put, verify
from insitu.link.raw_repl import Link
from insitu.mpy.romfs import MAGIC
from insitu.port.xip.inplace.blob import BLOB_ADDRESS
from insitu.steps import step

ROMFS, CODE = ".romfs", ".code"  # suffixes of files


def kind_of(suffix: str, data: bytes) -> str:
    """ROMFS or CODE if that is what a file with this in it is, "" if neither; code has no magic, but a suffix."""
    if data.startswith(MAGIC):
        return ROMFS
    return CODE if suffix == CODE and not is_image(data) else ""


def flash_modules(kind: str, data: bytes, board: Board, *, port: str | None = None) -> Flashed:
    """Write a file of that kind and have the board read it back.

    port: of the board's serial line; None: its emulator. Raises InsituError.
    """
    if kind == CODE:
        address = int.from_bytes(data[BLOB_ADDRESS : BLOB_ADDRESS + 4], "little")
        place = board.module_code or board.image
        if not place.holds(Region(address, len(data))):
            raise InsituError(f"the code is linked to {address:#010x}; {board.name} has {place} for it")
        return put(data, board, address, port=port)
    if port is not None:
        with Link(port) as link:
            link.soft_reset()  # what was imported from there must not run while it changes
            return write_romfs(link, board, data)
    if board.package is None:
        raise InsituError(f"{board.name} has no ROM partition in its emulator: give --port")
    if len(data) > board.package.size:
        raise InsituError(f"the file has {len(data)} bytes, the ROM partition of {board.name} {board.package.size}")
    return put(data, board, board.package.address)


def write_romfs(link: Link, board: Board, data: bytes) -> Flashed:
    """Write the first ROM partition of the firmware behind link, where data is linked to. Raises InsituError."""
    number, region = next(iter(partition.partitions(link, board).items()), (0, None))
    if region is None or region.size < len(data):
        has = "none that the CPU reads in place" if region is None else f"{region.size} bytes"
        raise InsituError(f"the file has {len(data)} bytes, the ROM partition of {board.name} {has}")
    with step(f"writing {board.name}") as progress:
        partition.write(link, number, data, progress)
    verify(link, region.address, data, board.name)
    return Flashed(region.address, len(data), zlib.crc32(data), "romfs")
