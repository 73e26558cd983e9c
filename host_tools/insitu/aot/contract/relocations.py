"""What a linker does to the bytes of an object file, done a second time, so that its result can be compared.

ELF for the Arm Architecture (IHI 0044), "Relocation"; RISC-V ELF psABI, "Relocations". Only PC-relative kinds are
here: an image has no others.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from insitu.aot.contract.relaxation import JAL_SIZE, SHORT_SIZE

# bytes of the section, offset in them, address of symbol + addend (Thumb's bit included), address of the place
Apply = Callable[[bytearray, int, int, int], None]

_WORD = struct.Struct("<I")
_HALVES = struct.Struct("<HH")


def _word(data: bytearray, at: int) -> int:
    return int(_WORD.unpack_from(data, at)[0])


def _put(data: bytearray, at: int, value: int) -> None:
    _WORD.pack_into(data, at, value & 0xFFFFFFFF)


# --- Arm: the addend is in the place ---


def _relative(data: bytearray, at: int, target: int, place: int) -> None:
    _put(data, at, target - place)


def _branch24(data: bytearray, at: int, target: int, place: int) -> None:
    """BL and B.W, encodings T1 and T4 (ARM ARM A7.7.18, A7.7.12)."""
    distance = (target & ~1) - place
    first, second = _HALVES.unpack_from(data, at)
    sign = distance >> 24 & 1
    j1, j2 = ~(distance >> 23 & 1 ^ sign) & 1, ~(distance >> 22 & 1 ^ sign) & 1
    first = first & 0xF800 | sign << 10 | distance >> 12 & 0x3FF
    second = second & 0xD000 | j1 << 13 | j2 << 11 | distance >> 1 & 0x7FF
    _HALVES.pack_into(data, at, first, second)


def _branch24_addend(data: bytearray, at: int) -> int:
    first, second = _HALVES.unpack_from(data, at)
    sign = first >> 10 & 1
    i1, i2 = ~(second >> 13 & 1 ^ sign) & 1, ~(second >> 11 & 1 ^ sign) & 1
    value = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
    return value - (1 << 25) if sign else value


def _branch11(data: bytearray, at: int, target: int, place: int) -> None:
    """B, encoding T2 (ARM ARM A7.7.12)."""
    first = int.from_bytes(data[at : at + 2], "little")
    data[at : at + 2] = (first & 0xF800 | ((target & ~1) - place) >> 1 & 0x7FF).to_bytes(2, "little")


def _branch11_addend(data: bytearray, at: int) -> int:
    value = (int.from_bytes(data[at : at + 2], "little") & 0x7FF) << 1
    return value - (1 << 12) if value >> 11 else value


def _word_addend(data: bytearray, at: int) -> int:
    return int(struct.unpack_from("<i", data, at)[0])


# --- RISC-V ---


def _call(data: bytearray, at: int, target: int, place: int) -> None:
    """AUIPC and JALR."""
    _high20(data, at, target, place)
    _put(data, at + 4, _word(data, at + 4) & 0xFFFFF | (target - place & 0xFFF) << 20)


def _high20(data: bytearray, at: int, target: int, place: int) -> None:
    _put(data, at, _word(data, at) & 0xFFF | target - place + 0x800 & 0xFFFFF000)


def _low12_load(data: bytearray, at: int, distance: int, place: int) -> None:
    _put(data, at, _word(data, at) & 0xFFFFF | (distance & 0xFFF) << 20)


def _low12_store(data: bytearray, at: int, distance: int, place: int) -> None:
    kept = _word(data, at) & 0x1FFF07F
    _put(data, at, kept | (distance >> 5 & 0x7F) << 25 | (distance & 31) << 7)


def _add32(data: bytearray, at: int, target: int, place: int) -> None:
    _put(data, at, _word(data, at) + target)


def _subtract32(data: bytearray, at: int, target: int, place: int) -> None:
    _put(data, at, _word(data, at) - target)


def _branch(data: bytearray, at: int, target: int, place: int) -> None:
    d = target - place
    bits = (d >> 12 & 1) << 31 | (d >> 5 & 0x3F) << 25 | (d >> 1 & 15) << 8 | (d >> 11 & 1) << 7
    _put(data, at, _word(data, at) & 0x1FFF07F | bits)


def _jal(data: bytearray, at: int, target: int, place: int) -> None:
    d = target - place
    bits = (d >> 20 & 1) << 31 | (d >> 1 & 0x3FF) << 21 | (d >> 11 & 1) << 20 | (d >> 12 & 0xFF) << 12
    _put(data, at, _word(data, at) & 0xFFF | bits)


def _short_branch(data: bytearray, at: int, target: int, place: int) -> None:
    """C.BEQZ and C.BNEZ."""
    d = target - place
    bits = (d >> 8 & 1) << 12 | (d >> 3 & 3) << 10 | (d >> 6 & 3) << 5 | (d >> 1 & 3) << 3 | (d >> 5 & 1) << 2
    _put_half(data, at, 0xE383, bits)


def _short_jump(data: bytearray, at: int, target: int, place: int) -> None:
    """C.J and C.JAL."""
    d = target - place
    high = (d >> 11 & 1) << 12 | (d >> 4 & 1) << 11 | (d >> 8 & 3) << 9 | (d >> 10 & 1) << 8
    _put_half(data, at, 0xE003, high | (d >> 6 & 1) << 7 | (d >> 7 & 1) << 6 | (d >> 1 & 7) << 3 | (d >> 5 & 1) << 2)


def _put_half(data: bytearray, at: int, kept: int, bits: int) -> None:
    data[at : at + 2] = (int.from_bytes(data[at : at + 2], "little") & kept | bits).to_bytes(2, "little")


NOTHING = frozenset((0, 51))  # R_ARM_NONE and R_RISCV_NONE; R_RISCV_RELAX: see relaxation.py
ARM: dict[int, tuple[Apply, Callable[[bytearray, int], int]]] = {
    3: (_relative, _word_addend),  # R_ARM_REL32
    10: (_branch24, _branch24_addend),  # R_ARM_THM_CALL
    30: (_branch24, _branch24_addend),  # R_ARM_THM_JUMP24
    102: (_branch11, _branch11_addend),  # R_ARM_THM_JUMP11
}
RISCV: dict[int, Apply] = {
    16: _branch,  # R_RISCV_BRANCH
    17: _jal,  # R_RISCV_JAL
    19: _call,  # R_RISCV_CALL_PLT
    23: _high20,  # R_RISCV_PCREL_HI20
    24: _low12_load,  # R_RISCV_PCREL_LO12_I
    25: _low12_store,  # R_RISCV_PCREL_LO12_S
    35: _add32,  # R_RISCV_ADD32
    39: _subtract32,  # R_RISCV_SUB32
    44: _short_branch,  # R_RISCV_RVC_BRANCH
    45: _short_jump,  # R_RISCV_RVC_JUMP
    57: _relative,  # R_RISCV_32_PCREL
}
# What becomes of R_RISCV_CALL_PLT in a call that the linker made shorter, by the bytes that are left.
SHORTENED: dict[int, Apply] = {JAL_SIZE: _jal, SHORT_SIZE: _short_jump}
# Whose symbol is the place of the AUIPC whose distance the low 12 bits complete.
RISCV_LOW = (24, 25)
RISCV_HIGH = 23
