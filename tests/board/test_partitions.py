"""ROM partitions of board files are where the firmware's own linker scripts have them."""

from __future__ import annotations

import re

import pytest
from insitu.board import boards
from insitu.flash.romfs import IMAGE_OFFSET
from insitu.places import CHECKOUT

_PORTS = CHECKOUT / "build" / "micropython-1.25.0" / "ports"
_ROMFS = re.compile(r"^ *FLASH_ROMFS \(rx\) *: ORIGIN = (0x[0-9A-Fa-f]+), LENGTH = (\d+)K", re.MULTILINE)
_BOARDS = [name for name in boards.names() if boards.load_board(name).in_rom_partition]
# The others' firmware has no partition before MicroPython 1.28, whose sources are not here.
_STM32 = [name for name in _BOARDS if boards.load_board(name).firmware.port == "stm32"]


@pytest.mark.parametrize("name", _STM32)
def test_partition(name: str) -> None:
    board = boards.load_board(name)
    scripts = (_PORTS / "stm32" / "boards" / board.firmware.board).glob("*.ld")
    (found,) = {match.groups() for script in scripts for match in _ROMFS.finditer(script.read_text())}
    assert (board.image.address - IMAGE_OFFSET, board.image.size + IMAGE_OFFSET) == (
        int(found[0], 16),
        int(found[1]) << 10,
    )


@pytest.mark.parametrize("name", _BOARDS)
def test_what_the_firmware_says_it_is(name: str) -> None:
    """py/modsys.c: MICROPY_HW_BOARD_NAME with MICROPY_HW_MCU_NAME."""
    firmware = boards.load_board(name).firmware
    text = (_PORTS / firmware.port / "boards" / firmware.board / "mpconfigboard.h").read_text()
    words = dict(re.findall(r'^#define MICROPY_HW_(BOARD|MCU)_NAME +"(.*)"', text, re.MULTILINE))
    assert firmware.reports.startswith(words["BOARD"] + " with ")
    assert firmware.reports.endswith(words.get("MCU", ""))
