"""Which board is at a serial port: its firmware says."""

from __future__ import annotations

from dataclasses import replace

from insitu.board import boards
from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import partition
from insitu.flash.romfs import IMAGE_OFFSET
from insitu.link.raw_repl import Link
from insitu.link.runner import Runner

_ASK = "import sys\nprint(getattr(sys.implementation, '_machine', ''))\n"


def board_at(port: str, name: str | None = None) -> Board:
    """The board at port: called name, or the one whose firmware reports what that at port does; see placed(), too.

    Raises InsituError unless it is exactly one.
    """
    board = None if name is None else boards.load_board(name)
    if board is not None and not board.in_rom_partition:
        return board
    with Link(port) as link:
        return placed(board or _reported(link, port), link)


def placed(board: Board, link: Runner) -> Board:
    """The board with its images in the ROM partition of the firmware behind link, if that is how it has them.

    Where it lies depends on the firmware's version. Raises InsituError where that has none.
    """
    if not board.in_rom_partition:
        return board
    found = partition.partitions(link, board)
    if 0 not in found:  # the one that MicroPython mounts: extmod/vfs.c
        raise InsituError(f"the firmware on {board.name} has no ROM partition that the CPU reads in place")
    if not board.chip.flash.holds(found[0]):
        flash = f"the flash of {board.chip.name} that is executed in place ({board.chip.flash})"
        raise InsituError(f"the ROM partition of {board.name} ({found[0]}) is not inside {flash}")
    return replace(board, image=Region(found[0].address + IMAGE_OFFSET, found[0].size - IMAGE_OFFSET))


def _reported(link: Runner, port: str) -> Board:
    """The board whose firmware reports what the one behind link does."""
    reported = link.run(_ASK).decode("utf-8", "replace").strip()
    known = [boards.load_board(name) for name in boards.names()]
    found = [board for board in known if board.firmware.reports and board.firmware.reports == reported]
    if len(found) == 1:
        return found[0]
    for other in boards.unsupported():
        if other.reports == reported:
            raise InsituError(f"the board at {port} is {other.name}, which is not supported: {other.why}")
    names = ", ".join(board.name for board in found)
    why = f"which may be {names}" if found else "which is no board that insitu knows"
    raise InsituError(f'the board at {port} says that it is "{reported}", {why}: give -b BOARD')
