# ESP32-C3 and ESP32-C6 write a partition through their firmware. The host sends this file
# (insitu/package/controller.py) behind CHIP and mapped_flash.py; together they are the package's flash.py, too.
from esp32 import Partition

_start, _end = CHIP[3:]  # the place for images, as the CPU sees it
_SECTOR = 4096

PAGE = 32  # bytes that program() takes multiples of
buffer = bytearray(_SECTOR)  # what program() takes
map_partition()
_partition = Partition(NAME)


def free():
    return _start, _end  # map_partition() has seen that the partition is as large


# Erase the sector at address.
def erase(address):
    _partition.ioctl(6, (address - _start) // _SECTOR)
    map_partition()


# Program bytes start to end of `buffer` into erased flash at address + start.
def program(address, start, end):
    block, offset = divmod(address + start - _start, _SECTOR)
    _partition.writeblocks(block, memoryview(buffer)[start:end], offset)
    found = bytearray(end - start)
    _partition.readblocks(block, found, offset)
    if found != memoryview(buffer)[start:end]:
        raise OSError("flash at %#x does not read back what was programmed" % (address + start))
    map_partition()
