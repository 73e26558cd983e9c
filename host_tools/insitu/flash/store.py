"""Images by name and version in a board's flash: port/update/images.py, on the board, or here on an emulator's file.

Where it runs on the board it is what the package has as insitu.images, sent in front of each use: the board needs no
package for it.
"""

from __future__ import annotations

import ast
import base64
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash import romfs
from insitu.flash.write import check_fits
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError, Runner
from insitu.machine import flash_of
from insitu.machine.flash_file import FlashFile
from insitu.package import controller
from insitu.package.names import PORT
from insitu.port.update.images import Images
from insitu.port.update.trust import VERIFIER_NAME
from insitu.sign import verifier
from insitu.steps import step

_CHUNK = 1536  # bytes of an image in one piece of code
_SOURCE = ast.unparse(ast.parse((PORT / "update" / "images.py").read_text()))
_FLASH = """
class _Flash: pass
for _name in ("PLACE", "PAGE", "view", "free", "buffer", "erase", "program"): setattr(_Flash, _name, globals()[_name])
_images = Images(_Flash)
from binascii import a2b_base64
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """An image in flash. Attributes: state: "current", "previous", "old", "on trial, ...", "failed"; "": just made."""

    name: str
    version: int
    address: int
    size: int
    state: str = ""


class Store(Protocol):
    """The images of a board."""

    def rows(self) -> list[Stored]:
        """All of them, those of a name in the order in which they are tried."""

    def add(self, data: bytes, name: str, version: int | None, starts: int) -> Stored:
        """Write one; version, starts: as Images.begin has them. Raises InsituError."""

    def remove(self, name: str, version: int | None) -> None:
        """Remove all of a name, or one. Raises InsituError where there is none."""

    def overwritten(self, end: int) -> set[str]:
        """Names of images that go when all in front of the address end is erased, with what goes on behind it."""


@contextmanager
def opened(board: Board, port: str | None) -> Iterator[Store]:
    """The images of the board at port, or of its emulator. Raises InsituError where it has no place for them."""
    if not board.in_rom_partition:
        controller.place(board)
    if port is None:
        yield _InFile(board)
        return
    if not controller.is_programmed(board):
        raise InsituError(f"{board.name}: flash of {board.chip.name} is not programmed by the board itself")
    with Link(port) as link:
        link.soft_reset()  # which ends what runs from there
        yield OnBoard(link, board)


def check_overwrites_nothing(board: Board, port: str | None, data: bytes) -> None:
    """Raise InsituError where an image without a name would lie over images that have names.

    What is behind a boot loader is not looked at: it has no MicroPython that could say what is there.
    """
    if port is None and board.emulator is None:
        return
    if board.in_rom_partition:
        start, content = romfs.in_flash(board, data)
        end = start + len(content)
        behind = start + (board.image.end - start) // 2  # where named ones lie: port/platform/flash_rom.py
        asks = end > behind and controller.is_programmed(board)
        where = "the ROM partition's file system with this image reaches into its second half"
    else:
        end = board.image.address + len(data)
        asks = _has_names(board, port)
        where = "an image without a name goes to the start of the place for images"
    if not asks:
        return
    with opened(board, port) as store:
        lost = store.overwritten(end)
    if lost:
        raise InsituError(
            f"{board.name}: {where}, where {', '.join(sorted(lost))} lies: give --name, or remove it with `insitu "
            "images --remove NAME`"
        )


def _has_names(board: Board, port: str | None) -> bool:
    """Whether images outside of a ROM partition can have names there."""
    try:
        controller.place(board)
    except InsituError:
        return False
    return port is None or controller.is_programmed(board)


def next_version(store: Store, name: str) -> int:
    """What a new image of that name gets."""
    return 1 + max((row.version for row in store.rows() if row.name == name), default=0)


def put_verifier(store: Store, board: Board) -> None:
    """Write what verifies signatures on the board, unless its newest is the one that the package there knows."""
    wanted = verifier.image(board.target)
    version = zlib.crc32(wanted)
    if (VERIFIER_NAME, version) not in [(row.name, row.version) for row in store.rows()]:
        store.add(wanted, VERIFIER_NAME, version, 0)


class OnBoard:
    """Of the board behind link, which has been reset."""

    def __init__(self, link: Runner, board: Board) -> None:
        self._link, self._board = link, board
        self._ask(controller.images_flash(board))
        self._ask(_SOURCE)
        self._ask(_FLASH)

    def _ask(self, code: str) -> str:
        """Run code, whose exceptions say what is wrong; what it printed."""
        try:
            return self._link.run(code).decode()
        except DeviceError as error:
            if error.kind not in ("OSError", "ValueError"):
                raise
            raise InsituError(f"{self._board.name}: {error.text}") from error

    def rows(self) -> list[Stored]:
        return [Stored(*row) for row in ast.literal_eval(self._ask("print(_images.rows())").strip())]

    def add(self, data: bytes, name: str, version: int | None, starts: int) -> Stored:
        check_fits(data, self._board)
        self._ask(f"_writer = _images.begin({name!r}, {len(data)}, {version}, {starts})")
        with step(f"writing {self._board.name}") as progress:
            for at in range(0, len(data), _CHUNK):
                self._ask(f"_writer.write(a2b_base64('{base64.b64encode(data[at : at + _CHUNK]).decode()}'))")
                progress(at, len(data))
        said = self._ask("_writer.end()\nprint(_writer.version, _writer.address)").split()
        return Stored(name, int(said[0]), int(said[1]), len(data))

    def remove(self, name: str, version: int | None) -> None:
        self._ask(f"_images.remove({name!r}, {version})")

    def overwritten(self, end: int) -> set[str]:
        blocks = f"-((_images.start - {end}) // _images.block)"
        return {*ast.literal_eval(self._ask(f"print([i.name for i in _images.found(None, {blocks})])").strip())}


class FileFlash:
    """What port/update/images.py has for a board's flash, in the file that an emulated board starts with."""

    PAGE = 32

    def __init__(self, file: FlashFile, place: tuple[int, int, int]) -> None:
        self.PLACE, self._file = place, file
        self.buffer = bytearray(4096)

    def free(self) -> tuple[int, int]:
        return self.PLACE[0], sum(self.PLACE[:2])

    def view(self, address: int, size: int) -> bytes:
        return self._file.read(address, size)

    def erase(self, address: int) -> None:
        self._file.write(address, b"\xff" * self.PLACE[2])

    def program(self, address: int, start: int, end: int) -> None:
        self._file.write(address + start, bytes(self.buffer[start:end]))


class _InFile:
    """Of an emulated board; here."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._images = Images(FileFlash(flash_of(board), controller.place(board)))

    def rows(self) -> list[Stored]:
        return [Stored(*row) for row in self._images.rows()]

    def add(self, data: bytes, name: str, version: int | None, starts: int) -> Stored:
        check_fits(data, self._board)
        with self._said():
            writer = self._images.begin(name, len(data), version, starts)
            writer.write(data)
            writer.end()
        return Stored(name, writer.version, writer.address, len(data))

    def remove(self, name: str, version: int | None) -> None:
        with self._said():
            self._images.remove(name, version)

    def overwritten(self, end: int) -> set[str]:
        blocks = -((self._images.start - end) // self._images.block)
        return {image.name for image in self._images.found(None, blocks)}

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise InsituError(f"{self._board.name}: {error}") from error
