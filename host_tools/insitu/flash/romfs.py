"""A ROM partition of the firmware, through vfs.rom_ioctl, as `mpremote romfs` does it: image and device package.

The image is the partition's first file, app.xip, so that it lies at a place that does not depend on what else is there.
"""

from __future__ import annotations

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import partition
from insitu.flash.writer import Over, Target, Writer
from insitu.link.runner import Runner
from insitu.mpy.romfs import build_romfs
from insitu.package import romfs
from insitu.package.deploy import best
from insitu.steps import Progress

IMAGE_OFFSET = 32  # of the first file's data in the partition, the image's


def build(board: Board, image: bytes) -> bytes:
    """The partition's bytes: a file system with the image, at IMAGE_OFFSET, and the device package if it goes there."""
    first, start = {"app.xip": image} if image else {}, board.image.address - IMAGE_OFFSET
    return romfs.build(board, start, first) if best(board) == "partition" else build_romfs(first, start)


def in_flash(board: Board, image: bytes) -> tuple[int, bytes]:
    """Address and content of what is to be in flash for the image to be there, where the board's file has it.

    Raises InsituError where the partition is too small.
    """
    content = build(board, image)
    _check_size(board, content, Region(board.image.address - IMAGE_OFFSET, board.image.size + IMAGE_OFFSET))
    return board.image.address - IMAGE_OFFSET, content


def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
    """See Writer. The whole partition is written, the device package with it; what else was there is gone."""
    assert target.link is not None
    put(target.link, target.board, address, data, progress)


def put(link: Runner, board: Board, address: int, image: bytes, progress: Progress) -> None:
    """Write the partition whose images lie at address; no image: the package alone. Raises InsituError."""
    part, region = _partition(link, board, address)
    content = build(board, image)
    _check_size(board, content, region)
    partition.write(link, part, content, progress)


def _check_size(board: Board, content: bytes, region: Region) -> None:
    if len(content) > region.size:
        raise InsituError(
            f"the image and what goes with it take {len(content)} bytes, the ROM partition of {board.name} has "
            f"{region.size}"
        )


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


ROMFS = Writer(Over.LINK, write, "a ROM partition of the firmware; the device package goes there, too", whole=True)
