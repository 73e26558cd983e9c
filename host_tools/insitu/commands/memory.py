"""`insitu mem`: how much of every pool is in use."""

from __future__ import annotations

from insitu import places
from insitu.board.record import Board
from insitu.commands.build import write_file
from insitu.flash.write import flashed
from insitu.image.read import Image, read
from insitu.port.host.wasi import NAME as WASI
from insitu.session import values
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


def words_of_a_call(board: Board, bindings: dict[str, str], given: Given) -> list[str]:
    """What `insitu run` is told to call an export of the image that was flashed; [] if none can be called from there.

    The image is put into a file for it. Arguments are zeros; a function that is not among bindings prints.
    """
    image = read(flashed(board))
    functions = [(name, type_.partition(":")[0]) for name, kind, type_ in image.exports if kind == "func"]
    named = [(name, letters) for name, letters in functions if set(letters) <= {*values.NUMBERS}]
    if not named:
        return []
    path = places.flash_file(board).with_suffix(".xip")
    write_file(path, image.data)
    name, letters = min(named, key=lambda function: function[0] != "_start")
    imports = [f"--import={function}=print" for function in _printing(image, given) if function not in bindings]
    return [str(path), *imports, "--mem", f"--invoke={name}", *["0"] * len(letters)]


def _printing(image: Image, given: Given) -> dict[str, str]:
    """Bindings of what nobody else gives; a file of functions is taken to give everything."""
    provided = {WASI, *(name for name, _ in given.modules)}
    functions = [(module, name) for module, name, kind, _ in image.imports if kind == "func"]
    return {f"{module}.{name}": "print" for module, name in functions if not given.functions and module not in provided}
