# The ROM partition that MicroPython mounts, erased and programmed by its firmware, vfs.rom_ioctl. The host sends this
# file when it writes images that have names (insitu/package/controller.py); it is the package's flash.py, too: while
# flash changes nothing in it runs.
#
# The partition's file system lies at its start and says how long it is; images with names lie in its second half.
# A partition is a block device that the CPU reads in place (ports/nrf, mimxrt, rp2), or a memoryview, which rom_ioctl
# itself erases: block by block from 1.29 on (micropython#19348), which operation 6 tells; before, from its start on.
import sys

import uctypes
import vfs
from machine import mem32
from uctypes import bytearray_at as view

PAGE = 32  # bytes that program() takes multiples of
_MAGIC = b"\xd2\xcd\x31"  # of a file system: extmod/vfs_rom.c
_CPUID, _ICIALLU = 0xE000ED00, 0xE000EF50  # Armv7-M Architecture Reference Manual, B3.2.3 and B2.2.7
_IS_ARM = 4 <= sys.implementation._mpy >> 10 & 15 <= 8  # MP_NATIVE_ARCH_ARMV7M to ARMV7EMDP, py/persistentcode.h

_part = vfs.rom_ioctl(2, 0)
_is_device = hasattr(_part, "ioctl")
_bytes = memoryview(_part)
_start, _size = uctypes.addressof(_bytes), len(_bytes)
_block = _part.ioctl(5, 0) if _is_device else max(0, vfs.rom_ioctl(6, 0))
_second_half = -(-_size // (2 * _block)) * _block if _block else _size
PLACE = (_start + _second_half, _size - _second_half, _block or 1)
buffer = bytearray(1024)  # what program() takes


def _file_system_end():
    at = size = 0
    if bytes(_bytes[:3]) == _MAGIC:
        at, more = 3, True
        while more:
            size, more = size << 7 | _bytes[at] & 127, _bytes[at] & 128
            at += 1
    return at + size


def free():
    if not _block:
        raise OSError("this firmware erases its ROM partition from the start on only: names need MicroPython 1.29")
    if _file_system_end() > _second_half:
        raise OSError("the ROM partition's file system reaches into its second half, where images with names lie")
    return PLACE[0], _start + _size


def _check(address, size):
    if not PLACE[0] <= address <= address + size <= _start + _size:
        raise ValueError("%d bytes at %#x are not in the place for images" % (size, address))


def _done(code):
    if code and (_is_device or code < 0):
        raise OSError(abs(code))


# Erase the block at address.
def erase(address):
    _check(address, _block)
    at = address - _start
    _done(_part.ioctl(6, at // _block) if _is_device else vfs.rom_ioctl(3, 0, at, _block))


# Program bytes start to end of `buffer`, multiples of 32, into erased flash at address + start.
def program(address, start, end):
    _check(address + start, end - start)
    at, data = address - _start + start, memoryview(buffer)[start:end]
    if _is_device:
        _done(_part.writeblocks(at // _block, data, at % _block))
    else:
        _done(vfs.rom_ioctl(4, 0, at, data))
        vfs.rom_ioctl(5, 0)
    # Cortex-M7 (PARTNO of CPUID): or instructions of what was there before are executed still
    if _IS_ARM and mem32[_CPUID] >> 4 & 0xFFF == 0xC27:
        mem32[_ICIALLU] = 0
    if view(address + start, end - start) != data:
        raise OSError("flash at %#x does not read back what was programmed" % (address + start))
