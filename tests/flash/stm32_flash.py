"""STM32 as a program on it sees it: flash behind its controller and its caches, after the reference manuals.

RM0090 3.5 and 3.9 (F4), RM0410 3.3 and 3.7 (F7), RM0433 4.3 and 4.9 (H7), RM0434 3.3 and 3.10 (WB). Erasing sets bits,
programming clears them; registers are locked until the keys come in their order; what is done wrong stands in SR, and
changes nothing; what a cache holds is seen until it is invalidated. The power can go within any operation.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

BASE = 0x08000000
_KEYS = (0x45670123, 0xCDEF89AB)
_ICIALLU, _DCIMVAC, _LINE = 0xE000EF50, 0xE000EF5C, 32
_RAM = 0x20010000


class PowerCut(Exception):
    """From now on nothing is read or written."""


@dataclass(frozen=True)
class Family:
    """Offsets of registers, numbers of bits, from the register tables."""

    registers: int
    keyr: int
    sr: int
    clear: int  # the register in which a 1 clears a flag
    cr: int
    options: int
    delivered: int  # of the register options
    lock: int
    pg: int
    erase: int
    start: int
    number: tuple[int, int]  # lowest bit, bits
    busy: int
    done: int
    wrong_sequence: int
    not_erased: int | None  # flag for programming what is not erased; None: the controller does it
    unit: int  # bytes
    parallelism: int | None  # bits 9 and 8 of CR that 32-bit programming needs
    bank: int  # sectors; 0: one bank
    core_caches: bool


FAMILIES = {
    "stm32f4": Family(0x40023C00, 0x04, 0x0C, 0x0C, 0x10, 0x14, 0x0FFFAAED, lock=31, pg=0, erase=1, start=16,
                      number=(3, 4), busy=16, done=0, wrong_sequence=7, not_erased=None, unit=4, parallelism=2, bank=0,
                      core_caches=False),
    "stm32f7": Family(0x40023C00, 0x04, 0x0C, 0x0C, 0x10, 0x14, 0xFFFFAAFD, lock=31, pg=0, erase=1, start=16,
                      number=(3, 5), busy=16, done=0, wrong_sequence=7, not_erased=None, unit=4, parallelism=2, bank=0,
                      core_caches=True),
    "stm32h7": Family(0x52002000, 0x04, 0x10, 0x14, 0x0C, 0x18, 0x00000001, lock=0, pg=1, erase=2, start=7,
                      number=(8, 3), busy=2, done=16, wrong_sequence=18, not_erased=None, unit=32, parallelism=None,
                      bank=8, core_caches=True),
    "stm32wb": Family(0x58004000, 0x08, 0x10, 0x10, 0x14, 0x20, 0x3FFFF1AA, lock=31, pg=0, erase=1, start=16,
                      number=(3, 8), busy=16, done=0, wrong_sequence=7, not_erased=3, unit=8, parallelism=None, bank=0,
                      core_caches=False),
}  # fmt: skip


class Stm32:
    """mem32 of MicroPython: flash, controller, caches, and buffers in RAM.

    Attributes:
        flash: what is in it; erased: the sectors that were erased, in order.
        left: operations (a sector erased, a unit programmed) until the power goes; None: it stays.
        stuck: flags that SR gets with each operation, which then does nothing.
    """

    def __init__(self, family: str, sectors: list[int], seed: int = 0) -> None:
        self.family = FAMILIES[family]
        self._sizes = sectors
        self.flash = bytearray(b"\xff" * sum(sectors))
        self._seen = bytearray(self.flash)
        self.erased: list[int] = []
        self.left: int | None = None
        self.stuck = 0
        self.interrupts = True
        self._random = random.Random(seed)
        self._off = False
        banks = 2 if self.family.bank else 1
        self._locked, self._keys = [True] * banks, [0] * banks
        self._cr, self._sr = [0] * banks, [0] * banks
        self._acr = 0x600 if not self.family.core_caches else 0
        self._polls = [0] * banks  # how often SR still reads as busy
        self._pending: dict[int, bytes] = {}
        self._buffers: list[tuple[int, bytearray]] = []
        self.options = self.family.delivered

    # --- what a program sees ---

    def fill(self, offset: int, data: bytes) -> None:
        """As it was before the power came."""
        self.flash[offset : offset + len(data)] = self._seen[offset : offset + len(data)] = data

    def addressof(self, buffer: bytearray) -> int:
        self._buffers.append((_RAM + 0x2000 * len(self._buffers), buffer))
        return self._buffers[-1][0]

    def bytearray_at(self, address: int, size: int) -> bytes:
        return bytes(self._seen[address - BASE : address - BASE + size])

    def __getitem__(self, address: int) -> int:
        if self._off:
            return 0xFFFFFFFF
        if BASE <= address < BASE + len(self.flash):
            return int.from_bytes(self._seen[address - BASE : address - BASE + 4], "little")
        for start, buffer in self._buffers:
            if start <= address < start + len(buffer):
                return int.from_bytes(buffer[address - start : address - start + 4], "little")
        bank, offset = self._register(address)
        if offset == self.family.options:
            return self.options
        if offset == self.family.sr:
            self._polls[bank] -= 1
            return self._sr[bank] | (self._polls[bank] >= 0) << self.family.busy
        if offset == self.family.cr:
            return self._cr[bank] | self._locked[bank] << self.family.lock
        assert offset == 0, f"register {address:#x} is read"
        return self._acr

    def __setitem__(self, address: int, value: int) -> None:
        assert 0 <= value <= 0xFFFFFFFF
        if self._off:
            return
        if BASE <= address < BASE + len(self.flash):
            self._program(address - BASE, value.to_bytes(4, "little"))
        elif address in (_ICIALLU, _DCIMVAC):
            self._core_cache(address, value)
        else:
            bank, offset = self._register(address)
            handlers: dict[int, Callable[[int, int], None]] = {
                0: self._set_acr,
                self.family.keyr: self._key,
                self.family.clear: self._clear,
                self.family.cr: self._control,
            }
            handlers[offset](bank, value)

    def _register(self, address: int) -> tuple[int, int]:
        offset = address - self.family.registers
        assert 0 <= offset < 0x200, f"nothing is at {address:#x}"
        return (offset // 0x100, offset % 0x100) if self.family.bank else (0, offset)

    # --- registers ---

    def _key(self, bank: int, value: int) -> None:
        """A wrong key locks until the next reset."""
        right = self._keys[bank] < 2 and value == _KEYS[self._keys[bank]]
        self._keys[bank] = self._keys[bank] + 1 if right else 3
        self._locked[bank] = self._keys[bank] != 2

    def _clear(self, bank: int, value: int) -> None:
        self._sr[bank] &= ~value

    def _control(self, bank: int, value: int) -> None:
        family = self.family
        if self._locked[bank]:
            return
        if value >> family.lock & 1:
            self._locked[bank], self._keys[bank], self._cr[bank] = True, 0, 0
            return
        self._cr[bank] = value & ~(1 << family.start)
        if value >> family.start & 1 and value >> family.erase & 1:
            shift, bits = family.number
            self._erase(bank, bank * family.bank + (value >> shift & (1 << bits) - 1))

    def _set_acr(self, _: int, value: int) -> None:
        """The caches of F4 and WB: reset only while they are off."""
        assert not self.family.core_caches
        assert not (value & 0x600 and value & 0x1800), "a cache is reset while it is on"
        if value & 0x1800 == 0x1800:
            self._seen[:] = self.flash
        self._acr = value

    def _core_cache(self, address: int, value: int) -> None:
        assert self.family.core_caches
        if address == _DCIMVAC:
            assert value % _LINE == 0
            at = value - BASE
            self._seen[at : at + _LINE] = self.flash[at : at + _LINE]

    # --- operations ---

    def _flag(self, bank: int, bit: int) -> None:
        self._sr[bank] |= 1 << bit

    def _begin(self, bank: int) -> bool:
        """Whether the operation is done; what was begun before must have ended."""
        assert not self.interrupts and self._polls[bank] <= 0
        self._polls[bank] = 2
        if self.stuck:
            self._sr[bank] |= self.stuck
            return False
        return True

    def _cut(self) -> bool:
        """Whether the power goes now, within the operation."""
        if self.left is None:
            return False
        self.left -= 1
        self._off = self.left < 0
        return self._off

    def _erase(self, bank: int, number: int) -> None:
        if not self._begin(bank):
            return
        start, size = sum(self._sizes[:number]), self._sizes[number]
        self.erased.append(BASE + start)
        if self._cut():
            old = int.from_bytes(self.flash[start : start + size], "little")
            some = int.from_bytes(self._random.randbytes(size), "little")
            self.flash[start : start + size] = (old | some).to_bytes(size, "little")
            raise PowerCut
        self.flash[start : start + size] = b"\xff" * size
        self._flag(bank, self.family.done)

    def _program(self, at: int, word: bytes) -> None:
        family = self.family
        bank = int(at >= sum(self._sizes[: family.bank])) if family.bank else 0
        wrong = self._locked[bank] or not self._cr[bank] >> family.pg & 1
        if family.parallelism is not None:
            wrong = wrong or self._cr[bank] >> 8 & 3 != family.parallelism
        if wrong:
            self._flag(bank, family.wrong_sequence)
            return
        self._pending[at] = word
        start = at - at % family.unit
        unit = range(start, start + family.unit, 4)
        assert list(self._pending) == list(unit)[: len(self._pending)], "a unit is written word by word, in order"
        if len(self._pending) == len(unit):
            value, self._pending = b"".join(self._pending.values()), {}
            self._program_unit(bank, start, value)

    def _program_unit(self, bank: int, start: int, value: bytes) -> None:
        if not self._begin(bank):
            return
        old = self.flash[start : start + len(value)]
        if self.family.not_erased is not None and old != b"\xff" * len(old):
            self._flag(bank, self.family.not_erased)
            return
        if self.family.unit == 32:  # its check bits would be of two values: never to be done
            assert old == b"\xff" * len(old), "a flash word is programmed twice"
        cut = self._cut()
        some = self._random.randbytes(len(value)) if cut else bytes(len(value))
        self.flash[start : start + len(value)] = bytes(o & (v | s) for o, v, s in zip(old, value, some, strict=True))
        if cut:
            raise PowerCut
        self._flag(bank, self.family.done)
