# STM32's flash controllers, by their registers. A core that executes from the bank that changes stalls until it has
# changed. Interrupts are off meanwhile: the firmware's file system writes flash in one of them. What is sent before it:
# flash_controller.py.
import micropython
from machine import disable_irq, enable_irq

# By family: KEYR, SR, where SR's flags are cleared, CR; in SR: busy, errors, done; in CR: program, erase, where the
# sector's number is, start, lock; words that are programmed at once, sectors of a bank (0: one bank), a register and
# its bits that must be 1 and 0 for the sectors to be where CHIP says, whether the caches are the core's.
_FAMILIES = {
    # RM0090, 3.9
    "stm32f4": (
        (0x40023C04, 0x40023C0C, 0x40023C0C, 0x40023C10, 1 << 16, 0xF2, 1)
        + (0x201, 0x202, 3, 1 << 16, 1 << 31, 1, 0, 0x40023C14, 0, 0, False)
    ),
    # RM0410, 3.7; OPTCR's nDBANK
    "stm32f7": (
        (0x40023C04, 0x40023C0C, 0x40023C0C, 0x40023C10, 1 << 16, 0xF2, 1)
        + (0x201, 0x202, 3, 1 << 16, 1 << 31, 1, 0, 0x40023C14, 1 << 29, 0, True)
    ),
    # RM0433, 4.9, bank 1; OPTCR's SWAP_BANK
    "stm32h7": (
        (0x52002004, 0x52002010, 0x52002014, 0x5200200C, 7, 0x6E0000, 1 << 16)
        + (2, 0x24, 8, 1 << 7, 1, 8, 8, 0x52002018, 0, 1 << 31, True)
    ),
    # RM0434, 3.10
    "stm32wb": (
        (0x58004008, 0x58004010, 0x58004010, 0x58004014, 5 << 16, 0x3FA, 1)
        + (1, 2, 3, 1 << 16, 1 << 31, 2, 0, 0x58004014, 0, 0, False)
    ),
}
_KEY, _STATUS, _CLEAR, _CONTROL, _BUSY, _ERRORS, _DONE = _FAMILIES[_name][:7]
_PROGRAM, _ERASE, _NUMBER, _GO, _LOCK, _WORDS, _OF_BANK, _OPTIONS, _ONES, _ZEROS, _CORE_CACHES = _FAMILIES[_name][7:]
_BANK = 0x100  # from a register to the second bank's
_KEYS = (0x45670123, 0xCDEF89AB)
# F4 and WB: the register beside KEYR's base, with bits of both caches: enable, reset
_ACR, _ENABLE, _RESET = _KEY & ~0xFF, 3 << 9, 3 << 11
# Armv7-M Architecture Reference Manual, B2.2.7: all instructions, a line of data; 32 bytes in a Cortex-M7
_ICIALLU, _DCIMVAC, _LINE = 0xE000EF50, 0xE000EF5C, 32
_POLLS = 10_000_000  # of some microseconds; 128 KiB of an STM32H7 take 4 s at most (DS12110, table 54)


@micropython.asm_thumb
def _barrier():
    data(2, 0xF3BF, 0x8F4F)  # dsb


def _flush(address, size):
    _barrier()
    if not _CORE_CACHES:
        before = mem32[_ACR]
        mem32[_ACR] = before & ~_ENABLE
        mem32[_ACR] = before & ~_ENABLE | _RESET
        mem32[_ACR] = before
        return
    for line in range(address & -_LINE, address + size, _LINE):
        mem32[_DCIMVAC] = line
    mem32[_ICIALLU] = 0
    _barrier()


def _wait(bank):
    for _ in range(_POLLS):
        status = mem32[_STATUS + bank]
        if not status & _BUSY:
            if status & _ERRORS:
                raise OSError("flash controller: status %#x" % status)
            return
    raise OSError("flash controller: busy without end")


# Run change(control register, bank) with the controller unlocked.
def _unlocked(number, change, address, size):
    if mem32[_OPTIONS] & (_ONES | _ZEROS) != _ONES:
        raise OSError("option bytes: the banks are not as they are delivered")
    bank = _BANK * (number // _OF_BANK) if _OF_BANK else 0
    control = _CONTROL + bank
    interrupts = disable_irq()
    try:
        if mem32[control] & _LOCK:
            for key in _KEYS:
                mem32[_KEY + bank] = key
        if mem32[control] & _LOCK:
            raise OSError("flash controller: it stays locked until the board is reset")
        mem32[_CLEAR + bank] = _ERRORS | _DONE
        _wait(bank)
        change(control, bank)
    finally:
        mem32[control] = _LOCK
        _flush(address, size)
        enable_irq(interrupts)


def _erase(address, number, size):
    bits = _ERASE | (number % _OF_BANK if _OF_BANK else number) << _NUMBER

    def change(control, bank):
        mem32[control] = bits
        mem32[control] = bits | _GO
        _barrier()
        _wait(bank)

    _unlocked(number, change, address, size)


def _program(address, start, end):
    def change(control, bank):
        mem32[control] = _PROGRAM
        for at in range(start, end, 4 * _WORDS):
            for byte in range(at, at + 4 * _WORDS, 4):
                mem32[address + byte] = mem32[_source + byte]
            _barrier()
            _wait(bank)

    _unlocked(_sector(address)[0], change, address + start, end - start)
