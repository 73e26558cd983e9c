"""ESP32 by esptool, against esp32-mock-bootloader, which speaks the protocol of the boot loader in the chips' ROM."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from esp32_mock_bootloader import mock_bootloader
from esp_idf_defs.partitions import PartitionTable
from insitu.board.boards import load_board
from insitu.commands.partition import partition
from insitu.errors import InsituError
from insitu.flash import esptool
from insitu.flash.write import flash
from insitu.flash.writer import Target
from insitu.image.read import ImageError, read
from insitu.steps import silent

from tests.cli.conftest import Command, refused
from tests.flash.esp32_flash import STOCK, some_image, table
from tests.port.conftest import image

BOTH = ("esp32c3", "esp32c6")
_ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
WITH_IMAGES = (
    "\n".join(STOCK.splitlines()[:-1]) + "\nvfs, data, fat, 0x200000, 0x100000\ninsitu, data, 0x06, , 0x100000"
)


@pytest.fixture(autouse=True)
def no_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket has no lines that reset a board."""
    monkeypatch.setenv("ESPTOOL_BEFORE", "no-reset")
    monkeypatch.setenv("ESPTOOL_AFTER", "no-reset")


@pytest.fixture(scope="module", params=BOTH)
def chip(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A board's name and the port of one in its boot loader."""
    with mock_bootloader(chip=request.param) as mock:
        yield request.param, mock.url()


@pytest.fixture(scope="module")
def c3() -> Iterator[str]:
    with mock_bootloader(chip="esp32c3") as mock:
        yield mock.url()


def _put(name: str, port: str, *pieces: tuple[int, bytes]) -> None:
    with esptool.boot_loader(load_board(name), port) as loader:
        loader.write(*pieces)


def _get(name: str, port: str, offset: int, size: int) -> bytes:
    with esptool.boot_loader(load_board(name), port) as loader:
        return loader.read(offset, size)


# --- what comes out ---


def test_a_partition_is_made_and_an_image_written(chip: tuple[str, str]) -> None:
    """The tables are Espressif's own generator's, the flash is read by esptool alone."""
    name, port = chip
    board, data, rest = load_board(name), random.Random(name).randbytes(9001), random.Random(1).randbytes(0x5000)
    _put(name, port, (0x8000, table(STOCK)), (0x1FF000, rest[:0x4000]), (0x2FF000, rest))
    done = partition(board, port)
    assert [(row.label, row.offset, row.size) for row in done.rows][3:] == [
        ("vfs", 0x200000, 0x100000),
        ("insitu", 0x300000, 0x100000),
    ]
    esptool.write(Target(board, None, port), board.image.address, data, silent)
    assert _get(name, port, 0x1FF000, 0x4000) == rest[:0x1000] + b"\xff" * 0x2000 + rest[0x3000:0x4000]
    around = _get(name, port, 0x2FF000, 0x5000)  # the mock erases what is written, a chip whole sectors
    assert (around[:0x1000], around[0x4000:]) == (rest[:0x1000], rest[0x4000:])
    assert around[0x1000:0x4000].startswith(data)
    found = _get(name, port, 0x8000, 0xC00)
    assert found == table(WITH_IMAGES).ljust(0xC00, b"\xff")
    PartitionTable.from_binary(found).verify(0x8000)


def test_verbs(insitu: Command, c3: str, tmp_path: Path) -> None:
    _put("esp32c3", c3, (0x8000, table(WITH_IMAGES)))
    path, data = tmp_path / "app.xip", image(_ADD, "rv32imc")
    path.write_bytes(data)
    done = insitu("flash", path, "-b", "esp32c3", "--port", c3, "--writer", "esptool")
    assert done.out.startswith(f"esp32c3: {len(data)} bytes at 0x3c700000 by esptool, read back with CRC 0x")
    done = insitu("partition", "-b", "esp32c3", "--port", c3, "--remove", "--erase-files", "--json")
    assert [row["label"] for row in done.json["rows"]] == ["nvs", "phy_init", "factory", "vfs"]
    assert _get("esp32c3", c3, 0x8000, 0xC00) == table(STOCK).ljust(0xC00, b"\xff")


# --- what does not ---


def test_what_is_wrong_is_one_line(insitu: Command, c3: str, tmp_path: Path) -> None:
    path = tmp_path / "app.xip"
    path.write_bytes(image(_ADD, "rv32imc"))
    words = ("flash", path, "--port", c3, "--writer", "esptool")
    _put("esp32c3", c3, (0x8000, table(STOCK)), (0x300000, b"\xff" * 0x1000))
    refused(
        insitu(*words, "-b", "esp32c6"), "esp32c6: esptool: This chip is ESP32-C3, not ESP32-C6. Wrong chip argument?"
    )
    refused(insitu(*words, "-b", "esp32c3"), "esp32c3: no partition insitu: make it with `insitu partition`")
    refused(insitu("partition", "-b", "esp32c3", "--port", c3), "erases all files on the board", "--erase-files")
    _put("esp32c3", c3, (0x8000, b"\xff" * 0x1000))
    refused(
        insitu(*words, "-b", "esp32c3"), "there is no partition table at 0x8000: write MicroPython's firmware first"
    )
    assert _get("esp32c3", c3, 0x300000, 0x1000) == b"\xff" * 0x1000


def test_what_does_not_fit(c3: str) -> None:
    board = load_board("esp32c3")
    _put("esp32c3", c3, (0x8000, table(WITH_IMAGES.replace(", 0x100000", ", 0x10000"))))
    with pytest.raises(InsituError, match="esp32c3: 65537 bytes are not inside partition insitu of 65536"):
        esptool.write(Target(board, None, c3), board.image.address, bytes(0x10001), silent)
    with pytest.raises(InsituError, match="has 1048577 bytes, esp32c3 has 1048576 for images"):
        flash(image(_ADD, "rv32imc").ljust(0x100001, b"\0"), board, port=c3, writer="esptool")


class _Cable:
    """Between esptool and the boot loader, pulled when so many bytes went to the board. Attributes: url."""

    def __init__(self, url: str, left: int) -> None:
        host, _, port = url.removeprefix("socket://").partition(":")
        self._board, self._left = (host, int(port)), left
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while self._left > 0:
            client, _ = self._server.accept()
            board = socket.create_connection(self._board)
            for ends in ((client, board, True), (board, client, False)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()
        self._server.close()

    def _carry(self, here: socket.socket, there: socket.socket, to_board: bool) -> None:
        with suppress(OSError):
            while data := here.recv(512):
                self._left -= len(data) if to_board else 0
                if self._left <= 0:
                    break
                there.sendall(data)
        for end in (here, there):
            with closing(end), suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_unplugged_in_the_middle(insitu: Command, c3: str, tmp_path: Path) -> None:
    """The table is read with fewer than 5000 bytes, the image takes 9000 and more."""
    path, old, new = tmp_path / "app.xip", some_image(1), some_image(2)
    path.write_bytes(new)
    _put("esp32c3", c3, (0x8000, table(WITH_IMAGES)), (0x300000, old))
    done = insitu("flash", path, "-b", "esp32c3", "--port", _Cable(c3, 8000).url, "--writer", "esptool")
    refused(done, "esp32c3: esptool: ")
    left = _get("esp32c3", c3, 0x300000, len(new))
    assert left not in (old, new) and left[0x1000:0x1100] == new[0x1000:0x1100]
    with pytest.raises(ImageError, match="CRC"):
        read(left)


def test_without_esptool(insitu: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = insitu("partition", "-b", "esp32c3", "--erase-files")
    refused(done, "esptool, which reaches the boot loaders of ESP32, is not installed: pip install esptool")
