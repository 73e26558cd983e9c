"""A ROM partition of the firmware, through vfs.rom_ioctl, as `mpremote romfs` does it: image and device package.

The image is the partition's first record, so that it lies at a place that does not depend on what else is there; the
file app.xip and the package's files follow. Format: extmod/vfs_rom.c of MicroPython.
"""

from __future__ import annotations

from mpremote import romfs

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import partition
from insitu.flash.writer import Over, Progress, Target, Writer
from insitu.link.runner import Runner
from insitu.package.romfs import add_package

IMAGE_OFFSET = 16  # of the image in the partition
_HEADER, _PADDING, _DATA = b"\xd2\xcd\x31", 1, 2  # kinds of records: a file system, padding, data
_HEAD = len(_HEADER) + 4  # bytes before the first record, with a length of four


def build(board: Board, image: bytes) -> bytes:
    """The partition's bytes: a file system with the image, at IMAGE_OFFSET, and the device package."""
    writer = romfs.VfsRomWriter()
    if image:
        writer.mkfile("app.xip", (len(image), IMAGE_OFFSET - _HEAD))
    add_package(writer, board)
    rest = writer._dir_stack[0][1]
    record = bytes([_DATA]) + _padded(len(image), IMAGE_OFFSET - _HEAD - 1) + image
    body = record + bytes(rest)
    if (_HEAD + len(body)) % 2:  # a file system's record has an even size
        body += bytes([_PADDING, 0x80, 0])
    return _HEADER + _padded(len(body), 4) + body


def _padded(value: int, width: int) -> bytes:
    """value as a varuint of width bytes."""
    groups = [value >> 7 * i & 0x7F for i in reversed(range(width))]
    return bytes([*(0x80 | group for group in groups[:-1]), groups[-1]])


def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
    """See Writer. The whole partition is written, the device package with it; what else was there is gone."""
    assert target.link is not None
    put(target.link, target.board, address, data, progress)


def put(link: Runner, board: Board, address: int, image: bytes, progress: Progress) -> None:
    """Write the partition whose images lie at address; no image: the package alone. Raises InsituError."""
    part, region = _partition(link, board, address)
    content = build(board, image)
    if len(content) > region.size:
        raise InsituError(
            f"image and package take {len(content)} bytes, the ROM partition of {board.name} has {region.size}"
        )
    partition.write(link, part, content, progress)


def _partition(link: Runner, board: Board, address: int) -> tuple[int, Region]:
    """Number and place of the partition whose images lie at address."""
    found = partition.partitions(link, board)
    for number, region in found.items():
        if region.address + IMAGE_OFFSET == address:
            return number, region
    known = ", ".join(map(str, found.values())) or "none that the CPU reads in place"
    raise InsituError(
        f"{board.name} has no ROM partition at {address - IMAGE_OFFSET:#010x}, which the board file's image is "
        f"{IMAGE_OFFSET} bytes behind; there are: {known}"
    )


ROMFS = Writer(Over.LINK, write, "a ROM partition of the firmware; the device package goes there, too")
