"""`insitu mem`: how much of every pool is in use."""

from __future__ import annotations

from insitu import places
from insitu.board.record import Board
from insitu.flash.write import flashed
from insitu.image.read import read
from insitu.session.session import Session, printers
from insitu.telemetry import ask


def of_emulated(board: Board, *, watch: bool, as_json: bool) -> None:
    """Start the board's emulator with the image that was flashed, instantiate it, and show its pools."""
    data = flashed(board)
    image = read(data)
    imports = printers(image, [f"{module}.{name}" for module, name, kind, _ in image.imports if kind == "func"])
    with Session(board, data, imports=imports, flash_file=places.flash_file(board)) as session:
        ask.from_link(session.link, watch=watch, as_json=as_json)
