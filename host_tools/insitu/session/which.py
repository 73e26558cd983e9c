"""Which board is at a serial port: its firmware says."""

from __future__ import annotations

from insitu.board import boards
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.link.raw_repl import Link

_ASK = "import sys\nprint(getattr(sys.implementation, '_machine', ''))\n"


def board_at(port: str) -> Board:
    """The board whose firmware reports what the one at port does. Raises InsituError unless it is exactly one."""
    with Link(port) as link:
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
