"""The estimate of cycles against sums by hand from Arm's tables."""

from __future__ import annotations

import struct

import pytest
from insitu.sim import Cpu

from bench import cycles

FLASH, RAM = 0x08000000, 0x20000000


def _code(*halfwords: int) -> bytes:
    return struct.pack(f"<{len(halfwords)}H", *halfwords)


# Encodings: ARMv7-M Architecture Reference Manual, A7.7.
ONE_BLOCK = {
    "two independent loads are three": ((0x6808, 0x6811), 3, 3),  # ldr r0, [r1]; ldr r1, [r2]
    "the address is what was just loaded": ((0x6808, 0x6801), 4, 4),  # ldr r0, [r1]; ldr r1, [r0]
    "a store of what was loaded": ((0x5888, 0x6158), 3, 3),  # ldr r0, [r1, r2]; str r0, [r3, #20]
    "an indexed store behind a load": ((0x5888, 0x5099), 3, 3),  # ldr r0, [r1, r2]; str r1, [r3, r2]
    "three loads are four": ((0x5948, 0x6811, 0x685A), 4, 4),  # ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]
    "an indexed store alone": ((0x5099,), 2, 2),  # str r1, [r3, r2]
    "an address that was just computed": ((0x3104, 0x6808), 4, 4),  # adds r1, #4; ldr r0, [r1]
    "five registers pushed": ((0xB5F0,), 6, 6),  # push {r4-r7, lr}
    "four loaded, four stored": ((0xC90F, 0xC00F), 10, 10),  # ldm r1!, {r0-r3}; stm r0, {r0-r3}
    "a pair": ((0xE9D0, 0x1200), 3, 3),  # ldrd r1, r2, [r0]
    "products": (
        (0x4348, 0xFB00, 0x0101, 0xFBA0, 0x0101),
        3,
        7,
    ),  # muls r0, r1; mla r1, r0, r1, r0; umull r0, r1, r0, r1
    "a quotient": ((0xFB90, 0xF0F1), 7, 7),  # sdiv r0, r0, r1
    "floats": ((0xEE30, 0x0A20, 0xEE80, 0x0A20, 0xED90, 0x0B00), 18, 0),  # vadd 1, vdiv 14, vldr of 64 bits 3
    "floats pushed": ((0xED2D, 0x8B04), 5, 0),  # vpush {d8, d9}
}


@pytest.mark.parametrize("name", ONE_BLOCK)
def test_a_block(name: str) -> None:
    halfwords, m4, m3 = ONE_BLOCK[name]
    assert cycles.block_cycles(_code(*halfwords), frozenset(cycles.CORES["cortex-m4f"].items())) == m4
    if m3:
        assert cycles.block_cycles(_code(*halfwords), frozenset(cycles.CORES["cortex-m3"].items())) == m3


@pytest.mark.parametrize(("waits", "wanted"), [(0, 1 + 3 + 2 * 3 + 1 + 3), (5, 1 + 3 + 2 * 8 + 1 + 8)])
def test_a_loop(waits: int, wanted: int) -> None:
    """movs r0, #3; three times subs r0, #1 and bne, taken twice; bx lr. A jump: 1 + P, and flash's wait states."""
    cpu = Cpu("cortex-m3")
    cpu.map_flash(FLASH, _code(0x2003, 0x3801, 0xD1FD, 0x4770))
    with cycles.counted(cpu) as executed:
        assert cpu.call(FLASH) == 0
    assert executed.instructions == 1 + 3 * 2 + 1
    assert executed.cycles("cortex-m3", waits) == wanted


def test_calls_are_counted_each() -> None:
    """bx lr, twice; not on other CPUs, whose timings are others."""
    for target, wanted in (("cortex-m4f", 2 * 3), ("rv32imc", 0)):
        cpu = Cpu(target)
        cpu.map_flash(FLASH, _code(0x8082 if target == "rv32imc" else 0x4770))
        with cycles.counted(cpu) as executed:
            cpu.call(FLASH)
            cpu.call(FLASH)
        assert executed.instructions == 2
        assert not wanted or executed.cycles(target, 0) == wanted
