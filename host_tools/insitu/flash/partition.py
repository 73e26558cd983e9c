"""The ROM partitions of a firmware, through vfs.rom_ioctl, as `mpremote romfs` writes them.

A partition is a memoryview, which rom_ioctl itself prepares and writes (stm32, samd, alif, esp8266), or a block device
with the buffer protocol (rp2 and the ports that follow it). Firmware from 1.29 on prepares a memoryview's blocks one
by one (micropython#19348); before, all that is written is prepared in one go.
"""

from __future__ import annotations

import base64

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.link.runner import DeviceError, Runner
from insitu.steps import Progress

# Bytes in one piece of code, a multiple of what any flash is written by: at most 512, a page of the SAMD51's.
_CHUNK = 1024
_PREPARE_TIMEOUT = 120.0  # seconds: a serial flash's sector of 4 KiB takes up to 0.4
_ASK = """
import vfs, uctypes
for n in range(vfs.rom_ioctl(1)):
    try:
        part = memoryview(vfs.rom_ioctl(2, n))
    except TypeError:
        continue
    print(n, uctypes.addressof(part), len(part))
"""
# Says how many bytes are prepared at a time, 0 where all are. What is mounted there must not be read while it changes.
_BEGIN = """
import sys, vfs
from binascii import a2b_base64
from machine import mem32
_part = vfs.rom_ioctl(2, {part})
_device = hasattr(_part, 'ioctl')
_block = _part.ioctl(5, 0) if _device else max(0, vfs.rom_ioctl(6, {part}))
def _checked(code):
    if code and (_device or code < 0): raise OSError(abs(code))
def _prepare(at, size):
    if _device:
        for block in range(at // _block, (at + size) // _block): _checked(_part.ioctl(6, block))
    else:
        _checked(vfs.rom_ioctl(3, {part}, at, size) if _block else vfs.rom_ioctl(3, {part}, size))
def _write(at, data):
    data = a2b_base64(data)
    _checked(_part.writeblocks(at // _block, data, at % _block) if _device else vfs.rom_ioctl(4, {part}, at, data))
def _complete():
    if not _device: vfs.rom_ioctl(5, {part})
    # Cortex-M7 (PARTNO of CPUID): ICIALLU, or instructions of what was there before are executed still.
    if 4 <= sys.implementation._mpy >> 10 & 15 <= 8 and mem32[0xE000ED00] >> 4 & 0xFFF == 0xC27:
        mem32[0xE000EF50] = 0
try: vfs.umount('/rom')
except OSError: pass
print(_block)
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
    """Write a partition, which is as large as content at least and was asked for before.

    Its start is erased first and written last: in between nothing there is a file system or an image.
    """
    block = int(link.run(_BEGIN.format(part=number)))
    content += b"\xff" * (-len(content) % _CHUNK)
    step = block * -(-_CHUNK // block) if block else len(content)
    for start in range(0, len(content), step):
        link.run(f"_prepare({start}, {step})", timeout=_PREPARE_TIMEOUT)
        for at in range(start or _CHUNK, min(start + step, len(content)), _CHUNK):
            _write(link, content, at, progress)
    _write(link, content, 0, progress)
    link.run("_complete()")
    progress(len(content), len(content))


def _write(link: Runner, content: bytes, at: int, progress: Progress) -> None:
    link.run(f"_write({at}, '{base64.b64encode(content[at : at + _CHUNK]).decode()}')")
    progress(at, len(content))
