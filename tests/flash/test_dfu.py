"""DfuSe files and the boot loader at USB, beside MicroPython's tools/pydfu.py and dfu-util, on a simulated device."""

from __future__ import annotations

import random
import runpy
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board, names
from insitu.flash import dfuse, file
from insitu.flash.write import put
from insitu.places import CHECKOUT
from insitu.steps import listening

from tests.cli.conftest import Command, refused
from tests.flash.dfuse_device import FLASH, Stm32

PYDFU = CHECKOUT / "build" / "micropython-1.25.0" / "tools" / "pydfu.py"
BOARD = load_board("pybv11")
# MICROPY_DIR was set, and nothing was fetched.
beside_pydfu = pytest.mark.skipif(not PYDFU.exists(), reason="MicroPython's sources are another checkout")
START = BOARD.image.address - FLASH
# The sectors and ST's name for them: RM0090, 3.4; RM0410, 3.3.2; RM0433, 4.3.4; RM0434, 3.3.1.
DEVICES = {
    "pybv11": ("04*016Kg,01*064Kg,07*128Kg", [16 * 1024] * 4 + [64 * 1024] + [128 * 1024] * 7),
    "nucleo_f767": ("04*032Kg,01*128Kg,07*256Kg", [32 * 1024] * 4 + [128 * 1024] + [256 * 1024] * 7),
    "nucleo_h743": ("16*128Kg", [128 * 1024] * 16),
    "nucleo_wb55": ("256*04 Kg", [4 * 1024] * 256),
}
# Erased before two sectors' bytes and some are written to the start of the image region.
ERASED = {
    "pybv11": [0x08080000, 0x080A0000, 0x080C0000],
    "nucleo_f767": [0x08100000, 0x08140000, 0x08180000],
    "nucleo_h743": [0x08100000, 0x08120000, 0x08140000],
    "nucleo_wb55": [0x08070000, 0x08071000, 0x08072000],
}


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stm32]:
    """plug(board): a device in its boot loader, with random bytes in front of and behind the image region."""

    def plugged(name: str = "pybv11", devices: int = 1) -> Stm32:
        device, board = Stm32(*DEVICES[name], devices), load_board(name)
        start, end = board.image.address - FLASH, board.image.end - FLASH
        device.flash[: start - 1000] = random.Random(1).randbytes(start - 1000)
        device.flash[end:] = random.Random(2).randbytes(len(device.flash) - end)
        monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda: device)
        return device

    return plugged


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "app.xip"
    data = "".join(f"\\{byte:02x}" for byte in random.Random(3).randbytes(5000))
    text = f'(module (memory (export "memory") 1) (data (i32.const 0) "{data}"))'
    path.write_bytes(compile_wasm(bytes(wasmtime.wat2wasm(text)), BOARD.target))
    return path


def _whole(before: bytes, name: str, data: bytes) -> bytes:
    """What flash must be once data was written: the sectors that it needs erased, everything else as before."""
    start, sizes = load_board(name).image.address - FLASH, DEVICES[name][1]
    erased = sum(sizes[i] for i in range(len(sizes)) if FLASH + sum(sizes[:i]) in ERASED[name])
    return before[:start] + data.ljust(erased, b"\xff") + before[start + erased :]


# --- files ---


@beside_pydfu
def test_a_file_as_dfu_suffix_and_pydfu_read_it(tmp_path: Path, plug: Callable[..., Stm32]) -> None:
    made = tmp_path / "app.dfu"
    made.write_bytes(file.make(made, BOARD, BOARD.image.address, b"\x01" * 33))
    said = subprocess.run(["dfu-suffix", "-c", made], capture_output=True, text=True, check=True).stdout
    assert "Vendor ID:\t0x0483" in said and "Product ID:\t0xDF11" in said
    (element,) = runpy.run_path(str(PYDFU))["read_dfu_file"](str(made))
    assert element["addr"] == BOARD.image.address
    assert element["data"] == b"\x01" * 33 + b"\xff" * 31  # a flash word of STM32H7 has 32 bytes


def test_who_takes_none(insitu: Command, image: Path, tmp_path: Path) -> None:
    made = tmp_path / "app.dfu"
    refused(insitu("flash", image, "-b", "qemu_stm32f405", "--to", made), "STM32F405 takes no DfuSe files")
    assert not made.exists()


# --- both on the same device ---


@beside_pydfu
@pytest.mark.parametrize("name", DEVICES)
def test_pydfu_writes_our_file(name: str, plug: Callable[..., Stm32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                               capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    device, board = plug(name), load_board(name)
    before = bytes(device.flash)
    data = random.Random(4).randbytes(board.chip.sectors_in(board.image)[0].size * 2 + 100)
    made = tmp_path / "app.dfu"
    made.write_bytes(dfuse.encode(board, board.image.address, data))
    monkeypatch.setattr("sys.argv", ["pydfu.py", "-u", str(made)])
    if name == "nucleo_wb55":  # pydfu does not know the space in this chip's name
        device.names[4] = device.names[4].replace("04 Kg", "04Kg")
    runpy.run_path(str(PYDFU), run_name="__main__")
    assert device.erased == ERASED[name]
    assert device.flash == _whole(before, name, data)
    assert device.left
    assert "Finished" in capsys.readouterr().out


@pytest.mark.parametrize("name", DEVICES)
def test_ours_writes_to_it(name: str, plug: Callable[..., Stm32]) -> None:
    device, board = plug(name), load_board(name)
    device.polls = 3
    before = bytes(device.flash)
    data = random.Random(4).randbytes(board.chip.sectors_in(board.image)[0].size * 2 + 100)
    told: list[tuple[int, int]] = []
    with listening(lambda _: nullcontext(lambda *parts: told.append(parts))):
        done = put(data, board, board.image.address)
    assert (done.writer, done.read_back) == ("dfu", True)
    assert device.erased == ERASED[name]
    assert device.flash == _whole(before, name, data)
    assert device.left
    assert told[-1] == (len(data) + 28, len(data) + 28)


def test_the_command(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    device = plug()
    done = insitu("flash", image, "-b", "pybv11")
    data = image.read_bytes()
    assert done.out.startswith(f"pybv11: {len(data)} bytes at 0x08080000 by dfu, read back with CRC 0x")
    assert device.erased == [0x08080000]
    assert device.flash[START : START + len(data)] == data


# --- what goes wrong: one line, and nothing is called done ---


def test_no_device_and_two(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    plug(devices=0)
    refused(insitu("flash", image, "-b", "pybv11"), "no board is in its boot loader (USB 0483:df11): start it by")
    plug(devices=2)
    refused(insitu("flash", image, "-b", "pybv11"), "2 boards are in their boot loader: leave one plugged in")


def test_no_libusb(insitu: Command, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("libusb0", "libusb1", "openusb"):
        monkeypatch.setattr(f"usb.backend.{name}.get_backend", lambda: None)
    refused(insitu("flash", image, "-b", "pybv11"), "libusb, which pyusb needs, is not installed")


def test_another_device(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    device = plug("nucleo_f767")
    before = bytes(device.flash)
    refused(insitu("flash", image, "-b", "pybv11"), "is no pybv11: it has no sector at 0x08080000 to 0x0809ffff to")
    device.names[4] = "@Data Flash  /0x08000000/16*128Kg"
    refused(insitu("flash", image, "-b", "pybv11"), "names no internal flash: it is not ST's")
    assert device.flash == before and not device.left


def test_sectors_that_may_not_be_written(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    device = plug()
    device.names[4] = "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Ka"  # read only
    refused(insitu("flash", image, "-b", "pybv11"), "it has no sector at 0x08080000 to 0x0809ffff to erase and write")
    assert not device.erased


def test_a_firmware_that_reaches_too_far(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    device = plug()
    device.flash[START - 1] = 0
    refused(insitu("flash", image, "-b", "pybv11"), "pybv11: the firmware on the board reaches up to 0x08080000")
    assert not device.erased and not device.left


def test_locked_flash(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    device = plug()
    device.protected = True
    before = bytes(device.flash)
    refused(
        insitu("flash", image, "-b", "pybv11"), "reading 256 bytes at 0x0807ff00 failed: errVENDOR: the flash is pro"
    )
    assert device.flash == before and not device.left


def test_a_bit_that_does_not_hold(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    device = plug()
    data = image.read_bytes()
    device.worn = START + next(i for i, byte in enumerate(data) if byte & 1)
    refused(insitu("flash", image, "-b", "pybv11"), "pybv11: flash at 0x08080000 does not read back what was written")
    assert not device.left


def test_unplugged_at_any_moment(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    """Whatever was sent until then: no image where its start is missing, and all else is untouched."""
    device = plug()
    device.unplugged_after = 10**6
    assert insitu("flash", image, "-b", "pybv11").status == 0
    transfers = 10**6 - device.unplugged_after
    for after in range(transfers - 4):  # the last four start the firmware: all was read back
        device = plug()
        before = bytes(device.flash)
        device.unplugged_after = after
        refused(insitu("flash", image, "-b", "pybv11"), "does not answer any more: No such device")
        assert device.flash[:START] == before[:START] and device.flash[START + 0x20000 :] == before[START + 0x20000 :]
        assert not device.left


def test_an_old_error_is_cleared_first(insitu: Command, image: Path, plug: Callable[..., Stm32]) -> None:
    device = plug()
    device._state, device._status = 10, 7
    assert insitu("flash", image, "-b", "pybv11").status == 0


def test_every_chip_with_this_writer_was_here() -> None:
    chips = {load_board(name).chip for name in names() if "dfu" in load_board(name).writers}
    assert chips == {load_board(name).chip for name in DEVICES}
