# The RP2350's flash, erased and programmed by the firmware's rp2.Flash, which is made for its file system: it takes
# block numbers as they come, and negative ones are what lies in front (ports/rp2/rp2_flash.c, 1.24 on). It stops the
# second core and sets the flash's timing again. What is sent before it: flash_rp2.py.
_device = rp2.Flash()


def _block(address):
    _check(address)
    return (address - _end) // SECTOR


# Erase the sector at address.
def erase(address):
    _device.ioctl(6, _block(address))
    if uctypes.bytearray_at(address, SECTOR) != b"\xff" * SECTOR:
        raise OSError("flash at %#x was not erased" % address)


# Program bytes start to end of `buffer`, multiples of a page, into the erased sector at address.
def program(address, start, end):
    _device.writeblocks(_block(address), memoryview(buffer)[start:end], start)
    _verify(address, start, end)
