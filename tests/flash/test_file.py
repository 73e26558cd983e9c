"""Files for a programmer, read by somebody else's reader."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from insitu.board import boards
from insitu.flash import file

from tests.cli.conftest import Command, refused

_ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'


@pytest.mark.parametrize(
    ("address", "size"), [(0x08080000, 1), (0x0800FFF8, 40), (0x1FFF8, 0x20010), (0xFFFF0000, 300)]
)
def test_intel_hex_as_objcopy_reads_it(tmp_path: Path, address: int, size: int) -> None:
    """GNU binutils; over the ends of 64 KiB, too, where an address record must stand."""
    data = bytes(i * 7 & 0xFF for i in range(size))
    made, back = tmp_path / "app.hex", tmp_path / "app.bin"
    board = boards.load_board("qemu_stm32f405")
    made.write_bytes(file.make(made, board, address, data))
    subprocess.run(["objcopy", "-I", "ihex", "-O", "binary", made, back], check=True)
    assert back.read_bytes() == data
    dump = subprocess.run(["objdump", "-h", made], capture_output=True, text=True, check=True).stdout
    assert f"{address:08x}" in dump


def test_flash_to_a_file(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    source = wasm(_ADD)
    assert insitu("build", source, "-b", "qemu_rv32").status == 0
    image = source.with_suffix(".xip")
    made = tmp_path / "app.bin"
    done = insitu("flash", image, "-b", "qemu_rv32", "--to", made, "--json")
    assert done.json == {
        "board": "qemu_rv32",
        "address": 0x22000000,
        "size": len(made.read_bytes()),
        "output": str(made),
    }
    assert made.read_bytes() == image.read_bytes()


def test_what_is_no_file_for_a_programmer(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("app", "app.elf"):
        done = insitu("flash", wasm(_ADD), "-b", "qemu_rv32", "--to", tmp_path / name)
        refused(done, f"{name}: the suffix must be one of .bin, .dfu, .hex")
        assert not (tmp_path / name).exists()
    for more in (("--port", "x"), ("--writer", "none")):
        assert insitu("flash", wasm(_ADD), "-b", "qemu_rv32", "--to", tmp_path / "app.bin", *more).status == 2
    done = insitu("flash", wasm(_ADD), "-b", "qemu_rv32", "--to", tmp_path / "no" / "app.bin")
    refused(done, "app.bin: No such file or directory")


def test_an_image_for_a_rom_partition_is_a_file_system(insitu: Command, wasm: Callable[..., Path]) -> None:
    """As the firmware mounts it: extmod/vfs_rom.c has the magic; the image is where the board's file says."""
    source = wasm(_ADD)
    assert insitu("build", source, "-b", "adafruit_feather_m4").status == 0
    image, made = source.with_suffix(".xip"), source.with_suffix(".bin")
    done = insitu("flash", image, "-b", "adafruit_feather_m4", "--to", made, "--json")
    content, data = made.read_bytes(), image.read_bytes()
    assert content.startswith(b"\xd2\xcd\x31")
    assert content[boards.load_board("adafruit_feather_m4").image.address - done.json["address"] :] == data
    assert (done.json["address"], done.json["size"]) == (0x70000, len(content))
