"""Calls of RISC-V that the linker made shorter: what it left out of a section, and where the rest lies.

RISC-V ELF psABI, "Linker Relaxation": AUIPC and JALR, which reach everything, become JAL or C.JAL where that is enough,
and what lies behind moves up. Nothing else is relaxed in an image: there are no absolute addresses and no gp.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insitu.aot.contract.elf import Object

CALL, RELAX = 19, 51  # R_RISCV_CALL_PLT, R_RISCV_RELAX
PAIR = 8  # bytes of AUIPC and JALR
JAL_SIZE, SHORT_SIZE = 4, 2
_JAL, _REGISTER = 0x6F, 0xF80
_SHORT_CALL, _SHORT_JUMP = 0x2001, 0xA001  # C.JAL, C.J


@dataclass(frozen=True, slots=True)
class Shortened:
    """The calls of a section that became shorter. Attributes: calls: their offsets in it; sizes: what is left of each.

    gone: bytes that were left out up to and with each.
    """

    calls: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return self.gone[-1] if self.gone else 0

    def at(self, offset: int) -> int:
        """Where what lay at an offset of the section is now."""
        before = bisect_left(self.calls, offset)
        return offset - (self.gone[before - 1] if before else 0)

    def applied(self, data: bytes) -> bytearray:
        """The section's bytes with jumps to nowhere yet in place of the pairs."""
        made, end = bytearray(), 0
        for call, size in zip(self.calls, self.sizes, strict=True):
            kept_in = int.from_bytes(data[call + 4 : call + PAIR], "little") & _REGISTER  # JALR's return address
            short = _SHORT_CALL if kept_in else _SHORT_JUMP
            made += data[end:call] + (_JAL | kept_in if size == JAL_SIZE else short).to_bytes(size, "little")
            end = call + PAIR
        return made + data[end:]


def found(of: Object, section: int, code: bytes, start: int) -> Shortened:
    """What the linked code, where the section begins at start, has in place of its calls: what is there is no proof."""
    relocations = of.relocations(section)
    may = {r.offset for r in relocations if r.type == RELAX}
    calls, sizes, gone = [], [], [0]
    for call in sorted(r.offset for r in relocations if r.type == CALL and r.offset in may):
        word = code[start + call - gone[-1] :][:1]
        size = _size(word[0]) if word else PAIR
        if size != PAIR:
            calls.append(call)
            sizes.append(size)
            gone.append(gone[-1] + PAIR - size)
    return Shortened(tuple(calls), tuple(sizes), tuple(gone[1:]))


def _size(first: int) -> int:
    """Of what begins with that byte: AUIPC, JAL, or neither."""
    if first & 3 != 3:
        return SHORT_SIZE
    return JAL_SIZE if first & 0x7F == _JAL else PAIR
