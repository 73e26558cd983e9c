"""`insitu mem`: how much of every pool is in use."""

from __future__ import annotations

from insitu import places
from insitu.board.record import Board
from insitu.flash.write import flashed
from insitu.image.read import Image, read
from insitu.port.host.wasi import NAME as WASI
from insitu.session.given import Given, bind
from insitu.session.session import Session
from insitu.telemetry import ask


def of_emulated(
    board: Board, bindings: dict[str, str], given: Given, *, timeout: float, watch: bool, as_json: bool
) -> None:
    """Start the board's emulator with the image that was flashed, instantiate it, and show its pools.

    A function that nothing is said of prints what it is called with. timeout: see Session.
    """
    data = flashed(board)
    imports = bind(read(data), {**_printing(read(data), given), **bindings})
    flash_file = places.flash_file(board)
    with Session(board, data, imports=imports, flash_file=flash_file, given=given, timeout=timeout) as session:
        ask.from_link(session.link, watch=watch, as_json=as_json)


def _printing(image: Image, given: Given) -> dict[str, str]:
    """Bindings of what nobody else gives; a file of functions is taken to give everything."""
    provided = {WASI, *(name for name, _ in given.modules)}
    functions = [(module, name) for module, name, kind, _ in image.imports if kind == "func"]
    return {f"{module}.{name}": "print" for module, name in functions if not given.functions and module not in provided}
