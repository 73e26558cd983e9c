"""The package's code into flash over the serial line, a page of it: the whole takes the emulator minutes."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from insitu.board.boards import load_board
from insitu.board.record import Region
from insitu.errors import InsituError
from insitu.flash import package
from insitu.link.memory import device_words
from insitu.machine import emulated
from insitu.package import files
from insitu.port.xip.layout import IMAGE_SIZE, MAGIC

BOARD = load_board("rpi_pico")
_LARGEST = struct.pack("<I", MAGIC) + bytes(IMAGE_SIZE - 4) + struct.pack("<I", BOARD.image.size)


@pytest.mark.slow
def test_is_written_once_and_not_into_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BOARD.package_code is not None
    monkeypatch.setattr(files, "linked", lambda _: files.Package({}, bytes(range(256))))
    with emulated(BOARD, [(BOARD.image.address, _LARGEST)]) as machine:
        package.put_code(BOARD, machine.port)
        with machine.link() as link:
            assert device_words(link, BOARD.package_code.address, BOARD.package_code.address + 256) == [
                0x03020100,
                0xFFFFFFFF,
            ]
        monkeypatch.setattr(package, "put", lambda *_, **__: pytest.fail("written again"))
        package.put_code(BOARD, machine.port)
        monkeypatch.setattr(files, "linked", lambda _: files.Package({}, b"newer"))
        smaller = replace(BOARD, image=Region(BOARD.image.address, BOARD.image.size - 4096))
        with pytest.raises(InsituError, match="reaches into the place of the package's code, 0x10089000 to 0x1009ffff"):
            package.put_code(smaller, machine.port)


def test_is_not_written_where_the_serial_line_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "Link", lambda _: pytest.fail("asked"))
    for name in ("qemu_stm32f405", "nrf52840_dk"):  # have no place
        package.put_code(load_board(name), "nowhere")
