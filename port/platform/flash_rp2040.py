# The RP2040's flash, erased and programmed by the functions of its boot ROM (RP2040 datasheet, 2.8.3.1.3). The host
# sends this file when it writes flash (insitu/package/controller.py), behind flash_rp2.py.
#
# While flash is not executed in place nothing in it can run: _change is machine code in RAM, which calls the boot ROM
# and a copy of flash's own second stage, and interrupts are off meanwhile. Other code of the second core is not
# stopped: whoever calls this has reset the board, which ends threads.
from array import array

import micropython
import uctypes
from machine import mem16

_SSI = 0x18000000
_ROM_FUNCTIONS = 0x14


# r0: words of _words below, by their place
@micropython.asm_thumb
def _change(r0):
    mov(r4, r0)
    data(2, 0xF3EF, 0x8510)  # mrs r5, PRIMASK
    data(2, 0xB672)  # cpsid i
    ldr(r0, [r4, 24])
    ldr(r6, [r0, 0x14])  # SSI_BAUDR: the second stage sets its own, the firmware another for a faster clock
    ldr(r7, [r4, 0])
    data(2, 0x47B8)  # blx r7: connect_internal_flash
    ldr(r7, [r4, 4])
    data(2, 0x47B8)  # flash_exit_xip
    ldr(r1, [r4, 36])
    cmp(r1, 0)
    beq(PROGRAM)
    ldr(r0, [r4, 32])
    ldr(r2, [r4, 28])
    mov(r3, 0xD8)
    ldr(r7, [r4, 8])
    data(2, 0x47B8)  # flash_range_erase: address, bytes, size and command of a larger erase
    label(PROGRAM)
    ldr(r2, [r4, 44])
    cmp(r2, 0)
    beq(DONE)
    ldr(r0, [r4, 32])
    ldr(r1, [r4, 40])
    ldr(r7, [r4, 12])
    data(2, 0x47B8)  # flash_range_program: address, source, bytes
    label(DONE)
    ldr(r7, [r4, 16])
    data(2, 0x47B8)  # flash_flush_cache
    ldr(r7, [r4, 20])
    data(2, 0x47B8)  # the second stage: executed in place again
    ldr(r0, [r4, 24])
    mov(r1, 0)
    str(r1, [r0, 8])  # SSI_SSIENR
    str(r6, [r0, 0x14])
    mov(r1, 1)
    str(r1, [r0, 8])
    data(2, 0xF385, 0x8810)  # msr PRIMASK, r5


def _rom(name):
    wanted, at = name[0] | name[1] << 8, mem16[_ROM_FUNCTIONS]
    while mem16[at]:
        if mem16[at] == wanted:
            return mem16[at + 2]
        at += 4
    raise OSError("this boot ROM has no function " + name.decode())


_second_stage = bytearray(uctypes.bytearray_at(_XIP, PAGE))
# Of _change: five functions, the second stage, SSI, the larger erase; then the address in flash, bytes to erase there,
# source in RAM, bytes to program.
_words = array("I", [_rom(b"IF"), _rom(b"EX"), _rom(b"RE"), _rom(b"RP"), _rom(b"FC")])
_words.extend(array("I", [uctypes.addressof(_second_stage) | 1, _SSI, 65536, 0, 0, 0, 0]))


def _flash(address, erased, source, programmed):
    _words[8:12] = array("I", [address - _XIP, erased, source, programmed])
    _change(_words)


# Erase the sector at address.
def erase(address):
    _check(address)
    _flash(address, SECTOR, 0, 0)


# Program bytes start to end of `buffer`, multiples of a page, into the erased sector at address.
def program(address, start, end):
    _check(address)
    _flash(address + start, 0, uctypes.addressof(buffer) + start, end - start)
    _verify(address, start, end)
