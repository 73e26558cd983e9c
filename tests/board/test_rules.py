"""Each rule of a board file names what is wrong; every board that insitu comes with keeps them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from insitu.board import boards
from insitu.board.table import BoardError
from insitu.commands.boards import row
from insitu.flash import WRITERS

BASE = (boards.FOLDER / "qemu_stm32f405.toml").read_text()
# A text of the file, what stands there instead, and what is said of it.
WRONG = {
    "no chip": ('chip = "netduinoplus2"', "", "the field 'chip' is missing"),
    "another chip": ('chip = "netduinoplus2"', 'chip = "z80"', 'no chip "z80"; there are: '),
    "a number as text": ("size = 0x60000", 'size = "0x60000"', "the field 'image.size' must be a number, not '0x"),
    "a huge number": ("size = 0x60000", "size = 0x600000000", "the field 'image.size' must be from 0 to 0xffffffff"),
    "a negative number": ("size = 0x60000", "size = -8", "the field 'image.size' must be from 0 to 0xffffffff"),
    "a truth": ("size = 0x60000", "size = true", "the field 'image.size' must be a number, not True"),
    "an unknown field": ("size = 0x60000", "size = 0x60000\nsise = 1", "there is no field 'image.sise'"),
    "an unknown table": ("[firmware]", "[firmwares]\n[firmware]", "there is no field 'firmwares'"),
    "over the package": ("size = 0x60000", "size = 0x60001", "image (0x08080000 to 0x080e0000) and package (0x080e"),
    "over the firmware": ("address = 0x08080000", "address = 0x0807fff8", "firmware (0x08000000 to 0x0807ffff) and"),
    "outside of flash": ("address = 0x080E0000", "address = 0x080F0000", "package (0x080f0000 to 0x0810ffff) is not"),
    "not aligned": ("address = 0x08080000", "address = 0x08080004", "image at 0x08080004 is not 8-byte aligned"),
    "a heap outside": ("address = 0x20020000", "address = 0x20030000", "global_heap (0x20030000 to 0x2003ffff) is in"),
    "a list that is none": ('make = ["MICROPY_HEAP_SIZE=98304"]', "make = [5]", "must be a list of texts, not [5]"),
}  # fmt: skip
# The same of a board whose chip's sectors are known.
SECTORS = (boards.FOLDER / "pybv11.toml").read_text()
WRONG_SECTORS = {
    "part of a sector": ("size = 0x60000", "size = 0x50000", "image (0x08080000 to 0x080cffff) does not have all of "),
    "half in the firmware": ("address = 0x08004000", "address = 0x08070000", "firmware (0x08000000 to 0x0807ffff) and"),
}  # fmt: skip
# The same of one with places for code.
CODE = (boards.FOLDER / "rpi_pico.toml").read_text()
WRONG_CODE = {
    "a gap": ("size = 0x24000", "size = 0x23000", "module_code (0x10084000 to 0x10088fff) does not begin where image"),
    "part of a sector": ("size = 0x17000", "size = 0x16800", "package_code (0x10089000 to 0x1009f7ff) does not have"),
    "over the files": ("size = 0x17000", "size = 0x18000", "package_code (0x10089000 to 0x100a0fff) and filesystem"),
}  # fmt: skip
WRONG_MACHINES = {
    "no such kind": ('kind = "qemu"', 'kind = "bochs"', 'machine kind "bochs" is none of '),
    "a missing field": ('flash = "loader"', "", "the field 'flash' is missing"),
    "an unknown field": ('flash = "loader"', 'flash = "loader"\nram = 5', "there is no field 'ram'"),
    "a wrong type": ('machine = "netduinoplus2"', "machine = 5", "the field 'machine' must be of type str, not 5"),
    "no such way": (
        "[machine]",
        '[flash]\nwriters = []\ndeploy = "post"\n[machine]',
        'deploy "post" is none of romfs, partition, ',
    ),
    "no such storage": ('flash = "loader"', 'flash = "drum"', "flash 'drum' is none of loader, pflash"),
}


def _changed(old: str, new: str, folder: Path, base: str = BASE) -> str:
    assert base.count(old) == 1
    path = folder / "mine.toml"
    path.write_text(base.replace(old, new))
    return str(path)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, name: str) -> None:
    old, new, says = WRONG[name]
    with pytest.raises(BoardError) as caught:
        boards.load_board(_changed(old, new, tmp_path))
    assert str(caught.value).startswith("mine.toml: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("base", "change"),
    [*((SECTORS, change) for change in WRONG_SECTORS.values()), *((CODE, change) for change in WRONG_CODE.values())],
)
def test_what_is_wrong_with_sectors_is_named(tmp_path: Path, base: str, change: tuple[str, str, str]) -> None:
    old, new, says = change
    with pytest.raises(BoardError) as caught:
        boards.load_board(_changed(old, new, tmp_path, base))
    assert says in str(caught.value)


def test_sectors_that_are_not_the_flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (boards.CHIPS / "stm32f405.toml").read_text()
    for old, new, says in (
        ("[7, 0x20000]", "[6, 0x20000]", "the sectors of STM32F405 have 0xe0000 bytes, its flash 0x100000"),
        ("[7, 0x20000]", "7", "the field 'flash.sectors' must be a list of pairs of numbers"),
    ):
        (tmp_path / "stm32f405.toml").write_text(text.replace(old, new))
        monkeypatch.setattr(boards, "CHIPS", tmp_path)
        with pytest.raises(BoardError, match=re.escape(says)):
            boards.load_board("pybv11")


@pytest.mark.parametrize("name", WRONG_MACHINES)
def test_a_wrong_machine_is_named(tmp_path: Path, name: str) -> None:
    """Only who wants the emulator minds: the board is good for building."""
    old, new, says = WRONG_MACHINES[name]
    board = boards.load_board(_changed(old, new, tmp_path))
    with pytest.raises(BoardError) as caught:
        row(board)
    assert says in str(caught.value)


def test_a_board_need_not_have_an_emulator(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BASE[: BASE.index("[machine]")])
    found = row(boards.load_board(str(path)))
    assert (found.emulated, found.ready, found.hardware) == ("no", False, "not tried")


@pytest.mark.parametrize("name", boards.names())
def test_every_board_keeps_the_rules(name: str) -> None:
    board = boards.load_board(name)
    assert row(board).target == board.target
    assert set(board.writers) <= set(WRITERS)


# A text of the file of a board that insitu cannot do, what stands there instead, and what is said of it.
CANNOT = {
    "why": ("", "", "mine is not supported: no code for Xtensa can be made"),
    "a missing field": ("reports = ", "report = ", "mine.toml: the field 'reports' is missing"),
    "an unknown field": ("reports = ", "target = 'xtensa'\nreports = ", "mine.toml: there is no field 'target'"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_a_board_that_is_not_supported_says_why(tmp_path: Path, name: str) -> None:
    old, new, says = CANNOT[name]
    path = tmp_path / "mine.toml"
    path.write_text((boards.FOLDER / "esp32s3.toml").read_text().replace(old, new, 1))
    with pytest.raises(BoardError) as caught:
        boards.load_board(str(path))
    assert str(caught.value).startswith(says)
