"""The board programs its own flash, told by the host over the serial line: no button, no boot loader.

A program for the chip's flash controller (package/controller.py) goes to the board first; it has
    free(): the first address that it may change, and the one behind the last
    buffer, of _BUFFER bytes
    erase(address): the sector there; program(address, start, end): bytes start to end of buffer to address + start

An image starts with its magic: the first sector is erased first and its first page programmed last, so that what a
power cut leaves is never taken for an image.
"""

from __future__ import annotations

import base64

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash.writer import Over, Target, Writer
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.package.controller import program
from insitu.steps import Progress

_BUFFER = 4096
_PAGE = 256  # bytes, a multiple of what each controller programs at once
_CHUNK = 1536  # bytes of the buffer in one piece of code


def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
    """See Writer. Raises InsituError, before anything is changed, where data would not lie in free flash."""
    assert target.link is not None
    link, board = target.link, target.board
    link.soft_reset()  # which ends threads of the second core: they run from flash
    _ask(link, board, program(board))
    padded = data + b"\xff" * (-len(data) % _PAGE)
    sectors = _sectors(link, board, Region(address, len(padded)))
    size = min(_BUFFER, *(sector.size for sector in sectors))
    pieces = {at: padded[at : at + size] for at in range(0, len(padded), size)}
    start = pieces.pop(0)
    _ask(link, board, f"erase({address})")
    others, done = [sector.address for sector in sectors[1:]], 0
    for at, piece in pieces.items():
        if address + at in others:
            _ask(link, board, f"erase({address + at})")
        _load(link, piece)
        _ask(link, board, f"program({address + at}, 0, {len(piece)})")
        progress(done := done + len(piece), len(padded))
    _load(link, start)
    if len(start) > _PAGE:
        _ask(link, board, f"program({address}, {_PAGE}, {len(start)})")
    _ask(link, board, f"program({address}, 0, {_PAGE})")
    progress(len(padded), len(padded))


def _sectors(link: Link, board: Board, wanted: Region) -> list[Region]:
    """Those to erase. Raises InsituError where one of them is not free."""
    start, end = (int(word) for word in _ask(link, board, "print(*free())").split())
    free, sectors = Region(start, end - start), board.chip.sectors_in(wanted)
    if not free.size:
        raise InsituError(
            f"{board.name}: the firmware on the board reaches up to {board.image.address:#010x}, where images would lie"
        )
    if not board.written.holds(wanted) or not all(map(free.holds, sectors)):
        raise InsituError(
            f"the bytes would lie at {wanted}; {board.name} has {board.written} for images, and the firmware that runs "
            f"on the board leaves {free} free"
        )
    if sectors[0].address != wanted.address:
        raise InsituError(f"{wanted.address:#010x} is in the middle of a sector of {board.name}: {sectors[0]}")
    return sectors


def _ask(link: Link, board: Board, code: str) -> bytes:
    """Run code of the program, whose exceptions say what the flash controller says; what it printed."""
    try:
        return link.run(code)
    except DeviceError as error:
        raise InsituError(f"{board.name}: {error.text}") from error


def _load(link: Link, data: bytes) -> None:
    """data to the start of the board's buffer."""
    link.run("from binascii import a2b_base64")
    for at in range(0, len(data), _CHUNK):
        chunk = data[at : at + _CHUNK]
        link.run(f"buffer[{at}:{at + len(chunk)}] = a2b_base64('{base64.b64encode(chunk).decode()}')")


DEVICE = Writer(Over.LINK, write, "the board programs its own flash: nothing to press; threads must not run")
