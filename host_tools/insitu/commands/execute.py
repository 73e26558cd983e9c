"""`insitu exec`: Python code on a board."""

from __future__ import annotations

from insitu.board.record import Board
from insitu.link.raw_repl import Link
from insitu.machine import emulated, flash_of
from insitu.package.deploy import mount_code


def execute(code: str, board: Board, port: str | None) -> bytes:
    """What code prints, on the board at port or in its emulator with the flash that was written there.

    Raises InsituError; an exception of the code's is a DeviceError.
    """
    if port is not None:
        with Link(port) as link:
            return link.run(code).replace(b"\r\n", b"\n")
    with emulated(board, [], flash_file=flash_of(board).path) as machine, machine.link() as link:
        if board.package is not None:
            link.run(mount_code(board.package.address, board.package.size))
        return link.run(code).replace(b"\r\n", b"\n")
