"""Counting executed instructions: Unicorn names each basic block it enters, an instruction's length is in its
first halfword. Deterministic. An instruction that an IT block skips counts as executed."""

from __future__ import annotations

from typing import Any

from insitu.sim.memory import PAGE, Memory


def lengths(code: bytes | memoryview, thumb: bool) -> list[int]:
    """Sizes of the instructions in code: 2 or 4 bytes each.

    ARMv7-M Architecture Reference Manual, A5.1: 32 bits if the first five bits are 0b11101, 0b11110 or 0b11111.
    RISC-V unprivileged ISA, 1.5: 32 bits if the lowest two bits are 0b11.
    """
    found, at = [], 0
    while at < len(code):
        half = code[at] | code[at + 1] << 8
        size = 4 if (half >= 0xE800 if thumb else half & 3 == 3) else 2
        found.append(size)
        at += size
    return found


class Counter:
    """What was executed, block by block."""

    def __init__(self, memory: Memory, code_bit: int, skip: int) -> None:
        self._memory = memory
        self._thumb = bool(code_bit)
        self._skip = range(skip, skip + PAGE)
        self._blocks: dict[tuple[int, int], int] = {}
        self._sizes: dict[tuple[int, int], int] = {}
        self._missing = 0
        self._last = (0, 0)

    def on_block(self, uc: Any, address: int, size: int, data: Any) -> None:
        """Unicorn is about to execute a block."""
        self._last = key = (address, size)
        blocks = self._blocks
        blocks[key] = blocks.get(key, 0) + 1

    def cut(self, pc: int) -> None:
        """The block entered last came no further than pc."""
        address, size = self._last
        if address <= pc < address + size:
            self._missing += len(lengths(self._memory.view(pc, address + size - pc), self._thumb))

    def finish(self) -> None:
        """Measure the blocks seen so far, while their code is still there."""
        for address, size in self._blocks:
            if (address, size) not in self._sizes:
                code = b"" if address in self._skip else self._memory.view(address, size)
                self._sizes[address, size] = len(lengths(code, self._thumb))

    @property
    def instructions(self) -> int:
        """How many have been executed."""
        self.finish()
        return sum(times * self._sizes[key] for key, times in self._blocks.items()) - self._missing

    def blocks(self) -> dict[int, int]:
        """Instructions executed by address of their block: where the time goes."""
        self.finish()
        found: dict[int, int] = {}
        for key, times in self._blocks.items():
            found[key[0]] = found.get(key[0], 0) + times * self._sizes[key]
        return found
