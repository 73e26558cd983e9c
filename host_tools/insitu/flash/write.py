"""`insitu flash`: an image into a board's flash, verified by the board itself."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from insitu.aot.targets import target
from insitu.board.boards import Board
from insitu.errors import InsituError
from insitu.image.read import ARCH_NAMES, Image, ImageError, read
from insitu.link.raw_repl import Link
from insitu.machine.qemu import Machine


@dataclass(frozen=True, slots=True)
class Flashed:
    """What is in the board's flash now: address as the CPU sees it, size and CRC-32 as the board read them."""

    address: int
    size: int
    crc: int


def check_fits(data: bytes, board: Board) -> Image:
    """The image, if it is one for this board and fits; raises InsituError with what differs."""
    read_image = read(data)
    wanted = target(board.target).arch
    if read_image.arch != wanted:
        raise InsituError(
            f"the image is for {ARCH_NAMES.get(read_image.arch, 'an unknown CPU')}, {board.name} is "
            f"{ARCH_NAMES[wanted]}: build it with -b {board.name}"
        )
    if len(data) > board.image.size:
        raise InsituError(f"the image has {len(data)} bytes, {board.name} has {board.image.size} for images")
    return read_image


def flash(data: bytes, board: Board) -> Flashed:
    """Put the image into the flash that stands for the QEMU board's, start the board, compare its CRC.

    Of a board with a flash chip that is a file with the whole chip, which also keeps what programs write into it;
    of others a file with the image alone, which QEMU places at every start.
    """
    check_fits(data, board)
    if board.place == "loader":
        board.flash_file.parent.mkdir(parents=True, exist_ok=True)
        board.flash_file.write_bytes(data)
    code = (
        "import uctypes, binascii\n"
        f"b = uctypes.bytearray_at({board.image.address}, {len(data)})\n"
        "print(binascii.crc32(b) & 0xffffffff)\n"
    )
    contents = [(board.image.place_address, data)]
    with Machine(board, contents, flash_file=board.flash_file) as machine, Link(machine.port) as link:
        crc = int(link.run(code))
    if crc != zlib.crc32(data):
        raise InsituError(f"{board.name} reads back CRC {crc:#010x}, expected {zlib.crc32(data):#010x}")
    return Flashed(board.image.address, len(data), crc)


def flashed(board: Board) -> bytes:
    """The image that the last `insitu flash` wrote; raises InsituError if there is none."""
    nothing = f"no image is flashed on {board.name}: run `insitu flash APP.xip -b {board.name}`"
    if not board.flash_file.exists():
        raise InsituError(nothing)
    with board.flash_file.open("rb") as file:
        file.seek(board.image.place_address if board.place == "pflash" else 0)
        data = file.read(board.image.size)
    try:
        return read(data).data
    except ImageError:
        raise InsituError(nothing) from None
