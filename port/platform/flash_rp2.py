# What the programs for the RP2040's and the RP2350's flash have in common: what lies between the firmware and its file
# system. The host sends this file when it writes flash (insitu/package/controller.py), before the chip's, which has
#   erase(address): the sector there; program(address, start, end): bytes of buffer, multiples of a page
# It is no file of the package, but part of its flash.py.
import rp2
import uctypes

SECTOR = 4096
PAGE = 256  # bytes that program() takes multiples of
_XIP = 0x10000000
# pico/binary_info of the Pico SDK: between two words after the vector table, the list's ends; a named number.
_LIST_BEGIN, _LIST_END = 0x7188EBF2, 0xE71AA390
_BINARY_END = 0x68F465DE
_HEADER = 1024  # bytes at the start of flash that have it: behind the second stage, if there is one, and the vectors

buffer = bytearray(SECTOR)  # what program() takes


def _word(address):  # the list's entries lie at any address
    return int.from_bytes(uctypes.bytearray_at(address, 4), "little")


def _firmware_end():
    for at in range(_XIP, _XIP + _HEADER, 4):
        if _word(at) == _LIST_BEGIN and _word(at + 16) == _LIST_END:
            for entry in range(_word(at + 4), _word(at + 8), 4):
                if _word(_word(entry) + 4) == _BINARY_END:
                    return _word(_word(entry) + 8)
    raise OSError("this firmware does not say where it ends")


# What lies between the firmware and its file system: the first address and the one behind the last.
def free():
    return (_firmware_end() + SECTOR - 1) & -SECTOR, uctypes.addressof(rp2.Flash())


_start, _end = free()


def _check(address):
    if address % SECTOR or not _start <= address < _end:
        raise ValueError("no sector between firmware and file system starts at %#x" % address)


def _verify(address, start, end):
    if uctypes.bytearray_at(address + start, end - start) != memoryview(buffer)[start:end]:
        raise OSError("flash at %#x does not read back what was programmed" % (address + start))
