"""The board programs its own flash, on stock firmware in rp2040py, and the power goes at any time."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.board.record import Region
from insitu.errors import InsituError
from insitu.flash import device
from insitu.flash.write import verify
from insitu.flash.writer import Target
from insitu.image.read import ImageError, read
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.machine.flash_file import FlashFile
from insitu.machine.rp2040 import Rp2040
from insitu.steps import silent

pytestmark = [pytest.mark.slow]

BOARD = load_board("rpi_pico")
ADDRESS = BOARD.image.address
_SECTOR, _PAGE = 4096, 256
_SSI = "[mem32[0x18000000 + at] for at in (0, 4, 8, 16, 20, 0xf0, 0xf4)]"


def _machine(flash: FlashFile, operations: int = 0) -> Rp2040:
    machine = emulated(BOARD, [], flash_file=flash.path)
    assert isinstance(machine, Rp2040)
    machine.operations = operations
    return machine


def _image(seed: int) -> bytes:
    """An image of two sectors, a different one for each seed."""
    data = "".join(f"\\{byte:02x}" for byte in random.Random(seed).randbytes(5000))
    text = f'(module (memory (export "memory") 1) (data (i32.const 0) "{data}"))'
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), BOARD.target)


# --- what it changes, and what not ---


@pytest.mark.parametrize("controller", ["rp2040", "rp2350"])  # the second is by rp2.Flash, which both chips have
def test_writes_what_it_is_told_and_nothing_else(flash: FlashFile, controller: str, tmp_path: Path) -> None:
    board = dataclasses.replace(BOARD, chip=dataclasses.replace(BOARD.chip, controller=controller))
    kept = FlashFile(tmp_path / "flash.bin", flash.region)
    kept.path.write_bytes(flash.path.read_bytes())
    data = random.Random(7).randbytes(_SECTOR + 1000)
    before = bytearray(kept.path.read_bytes())
    done: list[tuple[int, int]] = []
    with _machine(kept) as machine, machine.link() as link:
        interface = link.run(f"from machine import mem32\nprint({_SSI})")
        device.write(Target(board, link), ADDRESS, data, lambda *progress: done.append(progress))
        verify(link, ADDRESS, data, BOARD.name)
        # flash is executed in place as it was before, not in the boot ROM's slow way
        assert link.run(f"from machine import mem32\nprint({_SSI})") == interface
        for address in (0x10051000, 0x100A0000, ADDRESS + _PAGE):  # firmware, file system, no sector's start
            with pytest.raises(DeviceError, match=f"between firmware and file system starts at {address:#x}"):
                link.run(f"erase({address})")
        assert b"'insitu'" in link.run("import os\nprint(os.listdir('/lib'))")
    start = ADDRESS - BOARD.chip.flash.address
    before[start : start + 2 * _SECTOR] = data.ljust(2 * _SECTOR, b"\xff")
    assert kept.path.read_bytes() == before
    assert done == [(1024, 5120), (5120, 5120)]


def test_refuses_what_is_not_free(flash: FlashFile) -> None:
    before = flash.path.read_bytes()
    with _machine(flash) as machine, machine.link() as link:
        for image in (Region(0x10050000, 0x20000), Region(0x1009F000, 0x2000)):  # firmware, file system
            board = dataclasses.replace(BOARD, image=image)
            with pytest.raises(
                InsituError, match="the firmware that runs on the board leaves 0x1005.000 to 0x1009ffff"
            ):
                device.write(Target(board, link), image.address, bytes(2 * _SECTOR), silent)
        with pytest.raises(InsituError, match="has 0x10060000 to 0x1009ffff for images"):
            device.write(Target(BOARD, link), ADDRESS - _SECTOR, b"1", silent)
        # the board itself, whatever the host asks for
        for address in (0x10000000, 0x10051000, 0x100A0000, 0x101FF000, ADDRESS + _PAGE, 0x20000000):
            for ask in (f"erase({address})", f"program({address}, 0, 256)"):
                with pytest.raises(
                    DeviceError, match=f"no sector between firmware and file system starts at {address:#x}"
                ):
                    link.run(ask)
    assert flash.path.read_bytes() == before


def test_a_chip_without_program_is_refused() -> None:
    with pytest.raises(InsituError, match="flash of STM32F405 is not programmed by the board itself"):
        device.program(load_board("qemu_stm32f405"))


# --- power cuts ---

# Operations of a write of two sectors, the second with n pages: erase the first, erase the second, n, 15, 1.
_CUTS = ["first erased", "second erased", "a page of the second", "the second", "a page of the first", "all but one"]


@pytest.mark.parametrize("when", _CUTS)
def test_after_a_power_cut_there_is_no_image(flash: FlashFile, when: str, tmp_path: Path) -> None:
    """The old one is gone, the new one not there yet; the firmware starts and the image can be written again."""
    old, new = _image(1), _image(2)
    pages = -(-(len(new) - _SECTOR) // _PAGE)
    assert pages >= 2
    operations = dict(zip(_CUTS, (1, 2, 3, 2 + pages, 3 + pages, 17 + pages), strict=True))[when]
    kept = FlashFile(tmp_path / "flash.bin", flash.region)
    kept.path.write_bytes(flash.path.read_bytes())
    kept.write(ADDRESS, old)
    with _machine(kept, operations) as machine, machine.link() as link, pytest.raises(InsituError, match="is gone"):
        device.write(Target(BOARD, link), ADDRESS, new, silent)
    left = kept.read(ADDRESS, BOARD.image.size)
    assert left[:4] == b"\xff" * 4
    with pytest.raises(ImageError):
        read(left)
    if when == "all but one":
        _start_again(kept, new)


def _start_again(kept: FlashFile, new: bytes) -> None:
    with _machine(kept) as machine, machine.link() as link:
        link.run("import insitu\nrt = insitu.Runtime(heap=bytearray(4096))\n")
        with pytest.raises(DeviceError, match="no image at 0x10060000: .* was it flashed"):
            link.run(f"rt.load({ADDRESS})")
        device.write(Target(BOARD, link), ADDRESS, new, silent)
        verify(link, ADDRESS, new, BOARD.name)
    assert read(kept.read(ADDRESS, BOARD.image.size)).data == new


def test_with_all_operations_the_image_is_there(flash: FlashFile, tmp_path: Path) -> None:
    """The last page makes it one: the count above is the whole."""
    new = _image(2)
    pages = -(-(len(new) - _SECTOR) // _PAGE)
    kept = FlashFile(tmp_path / "flash.bin", flash.region)
    kept.path.write_bytes(flash.path.read_bytes())
    with _machine(kept, 18 + pages) as machine, machine.link() as link, pytest.raises(InsituError, match="is gone"):
        device.write(Target(BOARD, link), ADDRESS, new, silent)
    assert read(kept.read(ADDRESS, BOARD.image.size)).data == new


def test_a_last_page_half_programmed_is_no_image() -> None:
    """Within an operation: a page's bytes come in any order, an erased sector's bits anyhow. The CRC tells."""
    new = _image(2)
    half = new[: _PAGE // 2] + b"\xff" * (_PAGE // 2) + new[_PAGE:]
    assert half != new
    with pytest.raises(ImageError):
        read(half)
    with pytest.raises(ImageError):
        read(new[: _SECTOR // 2] + b"\xff" * (_SECTOR // 2) + new[_SECTOR:])


# --- the emulator is as strict as the chip where this matters ---


def test_code_in_flash_does_not_run_while_flash_is_not_executed_in_place(
    flash: FlashFile, capfd: pytest.CaptureFixture[str]
) -> None:
    """Back to the interpreter, which is in flash, right after the boot ROM's flash_exit_xip."""
    with _machine(flash) as machine, machine.link() as link:
        link.run(device.program(BOARD))
        link.run(
            "@micropython.asm_thumb\ndef leave(r0):\n    data(2, 0xB672)\n    data(2, 0x4780)\n"  # blx r0
        )
        with pytest.raises(InsituError, match="is gone"):
            link.run("leave(_rom(b'EX'))")
    assert "is in flash, which is not executed in place now" in capfd.readouterr().err


def test_a_misaligned_load_ends_the_emulator(flash: FlashFile, capfd: pytest.CaptureFixture[str]) -> None:
    with _machine(flash) as machine, machine.link() as link:
        link.run("import micropython\n@micropython.asm_thumb\ndef load(r0):\n    ldr(r0, [r0, 0])\n")
        assert link.run("load(0x20000004)") == b""
        with pytest.raises(InsituError, match="is gone"):
            link.run("load(0x20000005)")
    assert "20000005" in capfd.readouterr().err
