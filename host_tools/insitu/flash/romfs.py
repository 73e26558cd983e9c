"""A ROM partition of the firmware, through vfs.rom_ioctl, as `mpremote romfs` does it: image and device package.

The image is the partition's first record, so that it lies at a place that does not depend on what else is there; the
file app.xip and the package's files follow. Format: extmod/vfs_rom.c of MicroPython.
"""

from __future__ import annotations

import base64

from mpremote import romfs

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash.writer import Over, Progress, Target, Writer
from insitu.link.runner import DeviceError, Runner
from insitu.package.romfs import add_package

IMAGE_OFFSET = 16  # of the image in the partition
_HEADER, _PADDING, _DATA = b"\xd2\xcd\x31", 1, 2  # kinds of records: a file system, padding, data
_HEAD = len(_HEADER) + 4  # bytes before the first record, with a length of four
_CHUNK = 1024  # bytes in one piece of code, a multiple of what flash is written by
_ASK = """
import vfs, uctypes
for n in range(vfs.rom_ioctl(1)):
    part = vfs.rom_ioctl(2, n)
    if isinstance(part, memoryview): print(n, uctypes.addressof(part), len(part))
"""
# What is mounted there must not be read while it changes.
_PREPARE = """
from binascii import a2b_base64
def _checked(code):
    if code is not None and code < 0: raise OSError(-code)
    return code
try: vfs.umount('/rom')
except OSError: pass
print(_checked(vfs.rom_ioctl(3, {part}, {size})))
"""


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
    smallest = max(1, int(link.run(_PREPARE.format(part=part, size=len(content)))))
    content += b"\xff" * (-len(content) % smallest)
    # The start comes last: until then nothing there is a file system or an image.
    pieces = [*range(_CHUNK, len(content), _CHUNK), 0]
    for number, at in enumerate(pieces, 1):
        piece = base64.b64encode(content[at : at + _CHUNK]).decode()
        link.run(f"_checked(vfs.rom_ioctl(4, {part}, {at}, a2b_base64('{piece}')))\n")
        progress(number * len(content) // len(pieces), len(content))
    link.run(f"vfs.rom_ioctl(5, {part})\n")


def _partition(link: Runner, board: Board, address: int) -> tuple[int, Region]:
    """Number and place of the partition whose images lie at address."""
    try:
        lines = link.run(_ASK).decode().split("\n")
    except DeviceError as error:
        if error.kind not in ("AttributeError", "ImportError"):
            raise
        raise InsituError(f"the firmware on {board.name} has no ROM partitions") from None
    found = [tuple(map(int, line.split())) for line in lines if line.strip()]
    for number, start, size in found:
        if start + IMAGE_OFFSET == address:
            return number, Region(start, size)
    known = ", ".join(str(Region(start, size)) for _, start, size in found) or "none that the CPU reads in place"
    raise InsituError(
        f"{board.name} has no ROM partition at {address - IMAGE_OFFSET:#010x}, which the board file's image is "
        f"{IMAGE_OFFSET} bytes behind; there are: {known}"
    )


ROMFS = Writer(Over.LINK, write, "a ROM partition of the firmware; the device package goes there, too")
