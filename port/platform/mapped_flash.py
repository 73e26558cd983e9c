# ESP32-C3 and ESP32-C6: the CPU sees flash where entries of the flash MMU say so, pages of 64 KiB, until the next
# reset. This puts a partition at the end of the CPU's window: ESP-IDF hands out entries from the start on
# (components/esp_mm/esp_mmu_map.c). The host sends this file, too, so it imports nothing of the package.
import sys

import micropython
from micropython import const

NAME = "insitu"  # of the partition with images
_PAGES = const(16)  # that images have, at the end of the window
_POLLS = const(1000000)

# By the end of sys.implementation._machine. Window: where flash is read; from there to where it is executed; entries.
# Entries: register for an entry's number or 0; register for its content, bytes from one to the next; a bit and what it
# is in a free entry; what a used one has besides the number of its page. Cache: registers from the one that starts
# invalidating on; which of them is the address, with the size behind it; a word before it; shift of that size; and a
# register whose bits 3 and 4 are 0 for pages of 64 KiB, or 0.
# ESP32-C3: technical reference manual, "System and Memory"; soc/esp32c3: ext_mem_defs.h, extmem_reg.h (the size counts
# blocks of 32 bytes). ESP32-C6: soc/esp32c6: ext_mem_defs.h, spi_mem_reg.h, extmem_reg.h (the word: which cache).
_CHIPS = {
    "ESP32C3": (0x3C000000, 0x06000000, 128, 0, 0x600C5000, 4, 0x100, 0x100, 0, 0x600C4028, 1, 0, 5, 0),
    "ESP32C6": (0x42000000, 0, 256, 0x60002380, 0x6000237C, 0, 0x200, 0, 0x200, 0x600C8098, 2, 0x10, 0, 0x60002384),
}


# The content of an entry, after value was written into it unless that is negative. Machine code in RAM that calls
# nothing: with interrupts off the cache has nothing to do meanwhile. ESP-IDF turns it off for this.
@micropython.viper
def _entry(index: uint, content: uint, number: int, value: int) -> int:
    if index:
        ptr32(index)[0] = number
    p = ptr32(content)
    if value >= 0:
        p[0] = value
    return p[0]


# Whether the cache forgot size units from address on. The start bit is cleared by the chip when it has.
@micropython.viper
def _invalidate(control: uint, at: int, word: int, address: uint, size: int) -> int:
    p = ptr32(control)
    if word:
        p[at - 1] = word
    p[at] = int(address)
    p[at + 1] = size
    p[0] = 1
    polls = 0
    while p[0] & 1 and polls < _POLLS:
        polls += 1
    return int(polls < _POLLS)


# Number of the partition's first page.
def _page(name):
    from esp32 import Partition

    try:
        _, _, offset, size, _, encrypted = Partition(name).info()
    except OSError:
        raise OSError("no partition %s: make it with `insitu partition`" % name)
    if encrypted or offset & 0xFFFF or size < _PAGES << 16:
        raise OSError("partition %s is encrypted, or does not begin at a page of 64 KiB, or has less than 1 MiB" % name)
    return offset >> 16


# Maps the first MiB of the partition, and makes the cache forget what was there. The address for Runtime.load, the same
# each time. Call it after each reset.
def map_partition(name=NAME):
    from machine import disable_irq, enable_irq, mem32

    chip = sys.implementation._machine.split()[-1]
    if chip not in _CHIPS:
        raise OSError("flash of %s is not mapped by insitu" % chip)
    window, alias, entries, index, content, stride, bit, free, used, control, at, word, shift, mode = _CHIPS[chip]
    if mode and mem32[mode] >> 3 & 3:
        raise OSError("the flash MMU has not pages of 64 KiB")
    page = _page(name)
    first = entries - _PAGES
    address = window + (first << 16)
    interrupts = disable_irq()
    try:
        for i in range(_PAGES):
            number, wanted = first + i, page + i | used
            found = _entry(index, content + stride * number, number, -1)
            if found & bit != free and found != wanted:
                raise OSError("entry %d of the flash MMU is in use" % number)
        for i in range(_PAGES):
            number = first + i
            _entry(index, content + stride * number, number, page + i | used)
        for start in {address, address + alias}:
            if not _invalidate(control, at, word, start, (_PAGES << 16) >> shift):
                raise OSError("the cache does not end to forget")
    finally:
        enable_irq(interrupts)
    _forget()
    return address


# Nothing of this stays, unless somebody holds it: it is needed once.
def _forget():
    package, _, last = __name__.rpartition(".")
    if package and sys.modules.pop(__name__, None):
        delattr(sys.modules[package], last)
