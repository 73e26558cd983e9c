# What the programs for flash controllers have in common. The host sends this file when it writes flash
# (insitu/package/controller.py), behind CHIP and before the file of the controller, which has
#   _erase(address, number, size): a sector; _program(address, start, end): bytes of buffer to address + start, a
#   multiple of 32, as end is
# It is no file of the package, but part of its flash.py.
import uctypes
from machine import mem32  # noqa: F401

# Name of the controller; first address of the flash and its sectors, pairs of how many and bytes; the place for images.
_name, _base, _sectors, _start, _end = CHIP
_BEFORE = 256  # bytes in front of that place: a firmware that reached into it would fill them

PAGE = 32  # bytes that program() takes multiples of
buffer = bytearray(4096)  # what program() takes
_source = uctypes.addressof(buffer)


def free():
    blank = uctypes.bytearray_at(_start - _BEFORE, _BEFORE) == b"\xff" * _BEFORE
    return _start if blank else _end, _end


def _check(address, size):
    if not _start <= address <= address + size <= _end:
        raise ValueError("%d bytes at %#x are not in the place for images" % (size, address))


# Number and size of the sector that holds address.
def _sector(address):
    number, at = 0, _base
    for count, size in _sectors:
        if address < at + count * size:
            return number + (address - at) // size, size
        number, at = number + count, at + count * size


# Erase the sector at address.
def erase(address):
    _check(address, 1)  # and with it the whole sector: the place for images has its sectors alone
    _erase(address, *_sector(address))


# Program bytes start to end of `buffer`, multiples of 32, into erased flash at address + start.
def program(address, start, end):
    _check(address + start, end - start)
    _program(address, start, end)
    if uctypes.bytearray_at(address + start, end - start) != memoryview(buffer)[start:end]:
        raise OSError("flash at %#x does not read back what was programmed" % (address + start))
