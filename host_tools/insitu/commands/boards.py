"""`insitu boards`: what there is, and what has run on each."""

from __future__ import annotations

from dataclasses import dataclass

from insitu import places
from insitu.board import boards
from insitu.board.record import Board
from insitu.flash import WRITERS
from insitu.machine import emulator
from insitu.package.deploy import best


@dataclass(frozen=True, slots=True)
class Row:
    """A board, for a person.

    Attributes:
        emulated: by what, "no" where by nothing; ready: whether its firmware is there.
        hardware: what has run on real hardware.
        written, package: how its flash is written without an emulator, how the device package gets onto it.
    """

    name: str
    description: str
    chip: str
    core: str
    target: str
    image_bytes: int
    emulated: str
    ready: bool
    hardware: str
    written: str
    package: str


def rows() -> list[Row]:
    """All boards that insitu comes with, checked. Raises InsituError for the first that is wrong."""
    return [row(boards.load_board(name)) for name in boards.names()]


def row(board: Board) -> Row:
    """What there is to say of a board."""
    emulated, ready = "no", False
    if board.emulator is not None:
        kind = emulator(board)
        emulated, ready = kind.summary(board.emulator), places.firmware(board, kind.FIRMWARE).exists()
    return Row(
        name=board.name,
        description=board.description,
        chip=board.chip.name,
        core=board.chip.core,
        target=board.target,
        image_bytes=board.image.size,
        emulated=emulated,
        ready=ready,
        hardware=board.hardware,
        written=", ".join(name for name in board.writers if name in WRITERS) or "-",
        package=best(board),
    )
