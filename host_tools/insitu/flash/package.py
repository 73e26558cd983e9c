"""The package's code that lies apart from its files: into flash before these are written."""

from __future__ import annotations

import zlib

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash import WRITERS
from insitu.flash.write import put
from insitu.flash.writer import Over
from insitu.link.memory import device_crc, device_words
from insitu.link.raw_repl import Link
from insitu.package import files
from insitu.port.xip.layout import IMAGE_MAGIC, IMAGE_SIZE, MAGIC


def put_code(board: Board, port: str) -> None:
    """Write it, unless it is there, where the board at port has a place for it and writes it over its serial line.

    Raises InsituError where an image reaches into that place.
    """
    if board.package_code is None or not any(WRITERS[name].over is Over.LINK for name in board.writers):
        return
    code, address = files.linked(board).code, board.package_code.address
    with Link(port) as link:
        if device_crc(link, address, len(code)) == zlib.crc32(code):
            return
        _check_image(link, board)
    put(code, board, address, port=port)


def _check_image(link: Link, board: Board) -> None:
    magic, size = device_words(link, board.image.address + IMAGE_MAGIC, board.image.address + IMAGE_SIZE)
    if magic == MAGIC and size > board.image.size:
        raise InsituError(
            f"the image on {board.name} has {size} bytes and reaches into the place of the package's code, "
            f"{board.package_code}: flash one of at most {board.image.size} first"
        )
