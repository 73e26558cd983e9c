"""The ROM partitions of a firmware, through vfs.rom_ioctl, as `mpremote romfs` writes them."""

from __future__ import annotations

import base64

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash.writer import Progress
from insitu.link.runner import DeviceError, Runner

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


def partitions(link: Runner, board: Board) -> dict[int, Region]:
    """Those that the CPU reads in place, by number. Raises InsituError where the firmware knows of none."""
    try:
        lines = link.run(_ASK).decode().split("\n")
    except DeviceError as error:
        if error.kind not in ("AttributeError", "ImportError"):
            raise
        raise InsituError(f"the firmware on {board.name} has no ROM partitions") from None
    found = [tuple(map(int, line.split())) for line in lines if line.strip()]
    return {number: Region(start, size) for number, start, size in found}


def write(link: Runner, number: int, content: bytes, progress: Progress) -> None:
    """Write a partition, which is as large as content at least and was asked for before."""
    smallest = max(1, int(link.run(_PREPARE.format(part=number, size=len(content)))))
    content += b"\xff" * (-len(content) % smallest)
    # The start comes last: until then nothing there is a file system or an image.
    pieces = [*range(_CHUNK, len(content), _CHUNK), 0]
    for done, at in enumerate(pieces, 1):
        piece = base64.b64encode(content[at : at + _CHUNK]).decode()
        link.run(f"_checked(vfs.rom_ioctl(4, {number}, {at}, a2b_base64('{piece}')))\n")
        progress(done * len(content) // len(pieces), len(content))
    link.run(f"vfs.rom_ioctl(5, {number})\n")
