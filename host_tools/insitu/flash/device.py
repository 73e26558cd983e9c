"""The board programs its own flash, told by the host over the serial line: no button, no boot loader.

A program for the chip (a file of port/platform/, see _PROGRAMS) goes to the board first; it has
    free(): the first address that it may change, and the one behind the last
    erase(address), program(address, start, end): a sector; bytes start to end of the buffer `sector`

An image starts with its magic: the first sector is erased first and its first page programmed last, so that what a
power cut leaves is never taken for an image.
"""

from __future__ import annotations

import ast
import base64

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash.writer import Over, Progress, Target, Writer
from insitu.link.raw_repl import Link
from insitu.package.names import PORT

_PROGRAMS = {"RP2040": "platform/flash_rp2040.py"}
_SECTOR, _PAGE = 4096, 256
_CHUNK = 1536  # bytes of a sector in one piece of code


def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
    """See Writer. Raises InsituError, before anything is changed, where data would not lie in free flash."""
    assert target.link is not None
    link, board = target.link, target.board
    link.soft_reset()  # which ends threads of the second core: they run from flash
    link.run(program(board))
    _check(link, board, Region(address, len(data)))
    padded = data + b"\xff" * (-len(data) % _PAGE)
    sectors = {at: padded[at : at + _SECTOR] for at in range(0, len(padded), _SECTOR)}
    first = sectors.pop(0)
    link.run(f"erase({address})")
    done = 0
    for at, sector in sectors.items():
        _load(link, sector)
        link.run(f"erase({address + at}); program({address + at}, 0, {len(sector)})")
        progress(done := done + len(sector), len(padded))
    _load(link, first)
    if len(first) > _PAGE:
        link.run(f"program({address}, {_PAGE}, {len(first)})")
    link.run(f"program({address}, 0, {_PAGE})")
    progress(len(padded), len(padded))


def program(board: Board) -> str:
    """What the board is sent, without its comments. Raises InsituError if there is none for its chip."""
    if board.chip.name not in _PROGRAMS:
        raise InsituError(f"{board.name}: flash of {board.chip.name} is not programmed by the board itself")
    return ast.unparse(ast.parse((PORT / _PROGRAMS[board.chip.name]).read_text()))


def _check(link: Link, board: Board, wanted: Region) -> None:
    start, end = (int(word) for word in link.run("print(*free())").split())
    free = Region(start, end - start)
    if not board.image.holds(wanted) or not free.holds(wanted):
        raise InsituError(
            f"the image would lie at {wanted}; {board.name} has {board.image} for images, and the firmware that runs "
            f"on the board leaves {free} free"
        )


def _load(link: Link, data: bytes) -> None:
    """data to the start of the board's `sector`."""
    link.run("from binascii import a2b_base64")
    for at in range(0, len(data), _CHUNK):
        chunk = data[at : at + _CHUNK]
        link.run(f"sector[{at}:{at + len(chunk)}] = a2b_base64('{base64.b64encode(chunk).decode()}')")


DEVICE = Writer(Over.LINK, write, "the board programs its own flash: nothing to press; threads must not run")
