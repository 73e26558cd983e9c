"""A stand-in for a firmware's vfs.rom_ioctl, which the emulated boards' firmware has not: device code, over memory that
is executed in place. Results and errors are those of MicroPython's C:

    "whole"   ports/stm32/vfs_rom_ioctl.c of 1.25, a partition in QSPI flash: erased from its start, 4 KiB at a time
    "blocks"  the same from 1.29 on (micropython#19348): a part may be prepared, operation 6 says by what
    "device"  ports/rp2/rp2_flash.c: the partition is a block device that the CPU reads in place

Memory is as NOR flash: an erase sets bits, a write clears bits and does nothing else.
"""

from __future__ import annotations

KINDS = ("whole", "blocks", "device")
ERASED = 4096  # bytes at a time

# log: ("erase", offset) and ("write", offset); left: writes before the power goes.
_CODE = """
import sys, uctypes
import vfs as _vfs
_EINVAL = -22
class Twin:
    VfsRom, mount, umount = _vfs.VfsRom, staticmethod(_vfs.mount), staticmethod(_vfs.umount)
    log, left, complete = [], 100000, 0
    @staticmethod
    def rom_ioctl(operation, *a):
        memory = uctypes.bytearray_at({start}, {size})
        if operation == 1: return 1
        if not a or a[0]: return _EINVAL
        if operation == 2: return _TwinDevice(memory) if {device} else memoryview(memory)
        if {device}: return _EINVAL
        if operation == 6 and {blocks}: return {erased}
        if operation == 3 and len(a) > 1:
            at, count = (a[1], a[2]) if {blocks} and len(a) > 2 else (0, a[1])
            if at + count > {size}: return _EINVAL
            for offset in range(at, at + count, {erased}): _erase(offset)
            return 4
        if operation == 4 and len(a) > 2:
            if a[1] + len(a[2]) > {size}: return _EINVAL
            _program(a[1], a[2])
            return 0
        if operation == 5: Twin.complete += 1
        return _EINVAL
class _TwinDevice(memoryview):
    def ioctl(self, operation, argument):
        if operation == 6: _erase(argument * {erased})
        return {{4: {size} // {erased}, 5: {erased}, 6: 0}}[operation]
    def writeblocks(self, block, data, offset=None):
        if offset is None: _erase(block * {erased})
        _program(block * {erased} + (offset or 0), data)
def _erase(offset):
    Twin.log.append(("erase", offset))
    uctypes.bytearray_at({start} + offset, {erased})[:] = b"\\xff" * {erased}
def _program(offset, data):
    if not Twin.left: raise OSError("power cut")
    Twin.left -= 1
    Twin.log.append(("write", offset))
    words = uctypes.bytearray_at({start} + offset, len(data))
    if words == b"\\xff" * len(data): words[:] = data
    else:
        for i in range(len(data)): words[i] &= data[i]
sys.modules["vfs"] = Twin
"""


def code(kind: str, start: int, size: int) -> str:
    """What the board runs to have one, with a partition of size bytes at start."""
    return _CODE.format(start=start, size=size, erased=ERASED, blocks=kind == "blocks", device=kind == "device")
