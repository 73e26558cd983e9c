"""viper's pointers on simulated memory."""

from __future__ import annotations

import array
import builtins
import gc
from typing import TYPE_CHECKING, Any

import micropython
import pytest
from insitu import sim
from insitu.sim import Cpu, CpuFault, MemoryFault, ptr8, ptr16, ptr32, uint

if TYPE_CHECKING:
    from tests.sim.conftest import Assemble

FLASH = 0x08000000
RAM = 0x20000000


def test_words_are_signed_and_writes_are_masked(machine: Cpu) -> None:
    words, halves, octets = ptr32(RAM + 8), ptr16(RAM + 8), ptr8(RAM + 8)
    words[0] = 0xFFFFFFFE
    assert words[0] == -2
    assert halves[0] == 0xFFFE
    assert octets[1] == 0xFF
    words[1] = -(1 << 31) - 1
    assert words[1] == 0x7FFFFFFF
    halves[0] = -0x10000 - 1
    octets[-1] = 0x1AA
    assert (halves[0], octets[-1]) == (0xFFFF, 0xAA)
    assert bytes(machine.view(RAM + 7, 2)) == b"\xaa\xff"
    assert uint(words[0]) == 0xFFFFFFFF


def test_unaligned_words(machine: Cpu) -> None:
    ptr32(RAM + 1)[1] = 0x80112233
    assert ptr32(RAM + 5)[0] == 0x80112233 - (1 << 32)
    assert bytes(machine.view(RAM + 5, 4)) == bytes.fromhex("33221180")


def test_an_address_wraps_at_32_bits(machine: Cpu) -> None:
    assert ptr8((1 << 32) + FLASH)[5] == 5
    assert ptr32(FLASH + 8 + uint(-8))[0] == 0x03020100


def test_a_pointer_reaches_other_regions(machine: Cpu) -> None:
    machine.map_ram(RAM + 4096, 4096)
    ptr32(RAM)[1024] = 77
    assert ptr32(RAM + 4096)[0] == 77
    assert ptr32(RAM + 8192)[-1024] == 77


def test_what_is_not_there(machine: Cpu) -> None:
    with pytest.raises(MemoryFault, match="nothing is mapped at 0x20001000"):
        ptr8(RAM)[4096]
    with pytest.raises(MemoryFault, match="nothing is mapped at 0x1fffffff"):
        ptr8(RAM)[-1]
    with pytest.raises(MemoryFault, match="4 bytes at 0x20000ffe run past the end of RAM 0x20000000 to 0x20000fff"):
        ptr32(RAM + 4094)[0]
    with pytest.raises(MemoryFault, match="write to flash at 0x08000004"):
        ptr32(FLASH)[1] = 0
    with pytest.raises(MemoryFault, match="run past the end"):
        machine.view(RAM + 4000, 97)


def test_flash_views_are_read_only(machine: Cpu) -> None:
    assert machine.view(FLASH, 4).readonly
    assert not machine.view(RAM, 4).readonly
    assert machine.view(FLASH, 4096)[256:] == b"\xff" * (4096 - 256)


def test_regions_do_not_overlap(machine: Cpu) -> None:
    with pytest.raises(MemoryFault, match="flash 0x08000000 to 0x08000fff is there"):
        machine.map_ram(FLASH, 10)
    with pytest.raises(MemoryFault, match="must be multiples of 4096"):
        machine.map_ram(RAM + 10, 10)


def test_addressof_copies_once(machine: Cpu) -> None:
    buffer = bytearray(b"abcdefgh" * 3)
    address = sim.addressof(buffer)
    assert address % 8 == 0
    assert sim.addressof(buffer) == address
    assert machine.view(address, 24) == buffer
    assert ptr8(buffer)[2] == ord("c")
    ptr8(buffer)[2] = 9
    assert machine.view(address, 24)[2] == 9
    other = bytearray(24)
    assert sim.addressof(other) != address


def test_addressof_keeps_the_buffer(machine: Cpu) -> None:
    addresses = set()
    for _ in range(20):
        addresses.add(sim.addressof(bytearray(100)))
        gc.collect()
    assert len(addresses) == 20


def test_addressof_a_view(machine: Cpu) -> None:
    assert sim.addressof(machine.view(FLASH + 16, 8)) == FLASH + 16
    assert sim.addressof(machine.view(RAM, 64)[12:]) == RAM + 12


def test_an_overrun_of_a_buffer_faults(machine: Cpu, assemble: Assemble) -> None:
    address = sim.addressof(bytearray(5000))
    with pytest.raises(MemoryFault, match="nothing is mapped"):
        ptr8(address)[5000]
    machine.map_flash(FLASH + 4096, assemble("cortex-m4f", "ldrb r0, [r0, r1]\n bx lr"))
    assert machine.call(FLASH + 4096, address, 4999) == 0
    with pytest.raises(CpuFault, match="unmapped read"):
        machine.call(FLASH + 4096, address, 5000)


def test_pointers_to_plain_buffers(machine: Cpu) -> None:
    words = ptr32(array.array("I", [1, 0xFFFFFFFF]))
    assert (words[0], words[1]) == (1, -1)
    assert ptr8(b"xyz")[1] == ord("y")
    with pytest.raises(MemoryFault, match="index 3 is outside a buffer of 3 items"):
        ptr8(b"xyz")[3]


def test_a_viper_function(machine: Cpu) -> None:
    """The same source as on a device: viper's names, and words that wrap."""
    source = """
import micropython

@micropython.viper
def total(base: uint, offset: int, count: int) -> uint:
    p = ptr32(base + uint(offset))
    s = uint(0)
    i = 0
    while i < count:
        s = s + uint(p[i])
        i += 1
    return s

@micropython.viper
def first(text: ptr8) -> int:
    return text[0] - 256
"""
    space: dict[str, Any] = {}
    exec(source, space)
    words = machine.view(RAM, 16).cast("I")
    words[0], words[1], words[2] = 0xFFFFFFFF, 3, 1
    assert space["total"](RAM + 4096, -4096, 3) == 3
    assert space["total"](RAM, 4, 2) == 4
    assert space["first"](b"\x01") == -255
    assert micropython.const(3) == 3


def test_the_current_machine() -> None:
    first, second = Cpu("cortex-m3"), Cpu("rv32imc")
    first.map_ram(RAM, 4096)
    second.map_ram(RAM, 4096)
    sim.install(first)
    ptr8(RAM)[0] = 1
    sim.install(second)
    assert ptr8(RAM)[0] == 0
    assert sim.current() is second
    assert builtins.ptr32 is ptr32  # type: ignore[attr-defined]
