"""insitu mpy, flash and exec, as a person types them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from insitu import places
from insitu.board.boards import load_board
from insitu.commands import mpy
from insitu.errors import InsituError
from insitu.flash.modules import write_romfs
from insitu.flash.partition import partitions
from insitu.machine import emulated
from insitu.package.deploy import mount_code

from tests.cli.conftest import Command, refused
from tests.flash import twin
from tests.flash.test_romfs import SIZE, START

_DRIVER = """
import micropython

SCALE = 3

@micropython.viper
def scaled(data: ptr8, n: int) -> int:
    total = 0
    for i in range(n):
        total += data[i] * 3
    return total
"""


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    path = tmp_path / "driver.py"
    path.write_text(_DRIVER)
    return path


@pytest.fixture(autouse=True)
def own_flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "flash_file", lambda board: tmp_path / f"{board.name}.bin")


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["qemu_stm32f405", "qemu_rv32"])
def test_two_commands(insitu: Command, driver: Path, tmp_path: Path, board: str) -> None:
    romfs = tmp_path / "app.romfs"
    made = insitu("mpy", driver, "-b", board, "-o", romfs, "--json").json
    (row,) = made["modules"]
    assert (row["path"], row["note"], row["code_after"]) == ("driver.mpy", "", 0)
    assert row["code_before"] > 50
    flashed = insitu("flash", romfs, "-b", board).out
    assert flashed.startswith(
        f"{board}: {romfs.stat().st_size} bytes at {made['address']:#010x} by emulated, read back"
    )
    assert insitu("exec", "import driver; print(driver.scaled(b'123', 3))", "-b", board).out == "450\n"


def test_what_it_says(insitu: Command, driver: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "plain.py").write_text("X = 1\n")
    done = insitu("mpy", driver, tmp_path / "folder", "-b", "qemu_rv32", "-o", tmp_path / "x.romfs")
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["module", "flash", "was", "code", "in", "RAM", "was", "data", "in", "RAM", "names", "in", "RAM"]
    assert lines[1][0] == "driver.mpy"
    assert lines[2][0] == "plain.mpy"
    assert lines[2][-3:] == ["no", "machine", "code"]
    assert f"insitu flash {tmp_path / 'x.romfs'} -b qemu_rv32" in done.out


def test_code_apart_has_its_sectors_alone(insitu: Command, driver: Path, tmp_path: Path) -> None:
    """What is erased with it is nobody else's: the last of three sectors of 128 KiB for images."""
    done = insitu("mpy", driver, "-b", "pybv11", "-o", tmp_path / "out", "--json").json
    assert done["address"] == 0x080C0000


def test_a_board_without_a_partition_gets_a_folder(insitu: Command, driver: Path, tmp_path: Path) -> None:
    done = insitu("mpy", driver, "-b", "rpi_pico", "-o", tmp_path / "out", "--json").json
    assert {path.name for path in (tmp_path / "out").iterdir()} > {"driver.mpy", "insitu_mpy.mpy", "modules.code"}
    place = load_board("rpi_pico").module_code
    assert place is not None
    assert done["address"] == place.address
    refused(
        insitu("mpy", driver, "-b", "rpi_pico", "-o", tmp_path / "x.romfs"),
        "rpi_pico has no ROM partition: give -o FOLDER",
    )


def test_packages_and_folders(tmp_path: Path) -> None:
    board = load_board("qemu_rv32")
    for path in ("lib/pack/__init__.py", "lib/pack/part.py", "lib/other.py", "lib/data.txt", "lib/.hidden", "one.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    found = mpy.collect([tmp_path / "lib", tmp_path / "one.py"], board)
    assert sorted(found) == ["data.txt", "one.mpy", "other.mpy", "pack/__init__.mpy", "pack/part.mpy"]
    assert sorted(mpy.collect([tmp_path / "lib/pack"], board)) == ["pack/__init__.mpy", "pack/part.mpy"]
    with pytest.raises(InsituError, match="there is a one.mpy already"):
        mpy.collect([tmp_path / "one.py", tmp_path / "one.py"], board)
    with pytest.raises(InsituError, match="nothing.py: No such file"):
        mpy.collect([tmp_path / "nothing.py"], board)


def test_what_does_not_fit_and_who_cannot(driver: Path) -> None:
    board = load_board("qemu_stm32f405")
    with pytest.raises(InsituError, match="the modules take 2.* bytes of flash, qemu_stm32f405 has 131072"):
        mpy.make({"data.bin": bytes(200000)}, board, board.package, "x.romfs")
    esp32 = replace(board, firmware=replace(board.firmware, port="esp32"))
    with pytest.raises(InsituError, match="flash is read and executed at different addresses on this port"):
        mpy.make({}, esp32, board.package, "x.romfs")


@pytest.mark.qemu
def test_a_partition_of_the_firmware(driver: Path) -> None:
    """Where the firmware says that it is, and written through vfs.rom_ioctl."""
    board = replace(load_board("qemu_mps2_an385"), package=None)
    with emulated(board, []) as machine, machine.link() as link:
        link.run(twin.code(twin.KINDS[0], START, SIZE))
        where = next(iter(partitions(link, board).values()))
        assert (where.address, where.size) == (START, SIZE)
        made = mpy.make(mpy.collect([driver], board), board, where, "x.romfs")
        write_romfs(link, board, made.files["x.romfs"])
        link.run(mount_code(START, SIZE))
        assert link.run("import driver\nprint(driver.scaled(b'123', 3))") == b"450\r\n"
        with pytest.raises(InsituError, match=f"the ROM partition of qemu_mps2_an385 {SIZE} bytes"):
            write_romfs(link, board, bytes(SIZE + 1))


def test_code_for_another_board(insitu: Command, tmp_path: Path) -> None:
    path = tmp_path / "modules.code"
    path.write_bytes(bytes(100))
    refused(insitu("flash", path, "-b", "rpi_pico"), "the code is linked to 0x00000000; rpi_pico has 0x10084000")
