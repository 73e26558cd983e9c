"""UF2 files against two other readers and writers; the boot volume and picotool played by this test."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.flash import file, uf2
from insitu.flash.writer import Target
from insitu.steps import silent
from rp2040py.device.load_flash import decode_block

BOARD = load_board("rpi_pico")
ADDRESS = BOARD.image.address


def test_is_what_uf2conv_writes(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3 * 256)
    (tmp_path / "image.bin").write_bytes(data)
    command = [sys.executable, "-m", "adafruit_uf2.uf2conv", "-b", hex(ADDRESS), "-f", "0xe48bff56", "-c"]
    subprocess.run([*command, "-o", tmp_path / "image.uf2", tmp_path / "image.bin"], check=True, capture_output=True)
    assert file.make(Path("x.UF2"), BOARD, ADDRESS, data) == (tmp_path / "image.uf2").read_bytes()


def test_the_last_page_is_filled_with_erased_bytes() -> None:
    made = uf2.encode(ADDRESS, b"a" * 300, uf2.family(BOARD))
    blocks = [decode_block(made[at : at + 512]) for at in range(0, len(made), 512)]
    assert [block.flash_address for block in blocks] == [ADDRESS, ADDRESS + 256]
    assert blocks[1].payload == b"a" * 44 + b"\xff" * 212


def test_chips_without_boot_volume_are_refused() -> None:
    with pytest.raises(InsituError, match="STM32F405 takes no UF2 files"):
        file.make(Path("x.uf2"), load_board("qemu_stm32f405"), 0, b"")


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Pico with BOOTSEL held, beside another chip's volume and one that has gone."""
    for name, board in (("pico2", "RP2350"), ("pico", "RPI-RP2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\nModel: x\nBoard-ID: {board}\n")
    monkeypatch.setattr(uf2, "mounted", lambda: [tmp_path / name for name in ("gone", "pico2", "pico")])
    monkeypatch.setattr(uf2, "_RESTART", 3.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "pico"


def test_done_when_the_board_restarts(volume: Path) -> None:
    wanted = uf2.encode(ADDRESS, b"image", uf2.family(BOARD))

    def board() -> None:
        while not (volume / "IMAGE.UF2").exists() or (volume / "IMAGE.UF2").read_bytes() != wanted:
            time.sleep(0.01)
        (volume / "INFO_UF2.TXT").unlink()

    thread = threading.Thread(target=board, daemon=True)
    thread.start()
    said: list[tuple[int, int]] = []
    uf2.write(Target(BOARD, None), ADDRESS, b"image", lambda *done: said.append(done))
    thread.join(1)
    assert not thread.is_alive()
    assert said == [(5, 5)]


def test_a_board_that_does_not_restart_has_not_taken_the_file(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uf2, "_RESTART", 0.2)
    with pytest.raises(InsituError, match="has not restarted: it did not take the file"):
        uf2.write(Target(BOARD, None), ADDRESS, b"image", silent)


def test_without_a_volume_picotool(volume: Path) -> None:
    (volume / "INFO_UF2.TXT").unlink()
    target = Target(BOARD, None)
    with pytest.raises(InsituError, match=r"no boot volume is mounted and picotool is not installed: hold BOOTSEL"):
        uf2.write(target, ADDRESS, b"image", silent)
    picotool = volume.parent / "picotool"
    for status in (0, 1):
        picotool.write_text(f'#!/bin/sh\necho "$@" > {volume}/asked\necho no device >&2\nexit {status}\n')
        picotool.chmod(0o755)
        if status:
            with pytest.raises(InsituError, match="picotool: no device"):
                uf2.write(target, ADDRESS, b"image", silent)
        else:
            uf2.write(target, ADDRESS, b"image", silent)
        assert (volume / "asked").read_text().startswith("load --verify --execute ")


def test_every_mounted_folder_is_looked_at() -> None:
    assert Path("/") in uf2.mounted()


def test_family_by_chip() -> None:
    chip = dataclasses.replace(BOARD.chip, name="RP2350")
    assert uf2.family(dataclasses.replace(BOARD, chip=chip)) == 0xE48BFF57
