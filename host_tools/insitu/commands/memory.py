"""`insitu mem`: how much of every pool is in use."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from insitu import places
from insitu.board.record import Board
from insitu.commands.build import write_file
from insitu.errors import InsituError
from insitu.flash.write import flashed
from insitu.image.read import Image, read
from insitu.port.host.wasi import NAME as WASI
from insitu.session import values
from insitu.session.given import Given, bind
from insitu.session.session import Session
from insitu.telemetry import ask, plot, record
from insitu.telemetry.record import Entry, Recording
from insitu.telemetry.source import Asked, Replayed, Source
from insitu.telemetry.watch import watch


@dataclass(frozen=True, slots=True)
class Shown:
    """How snapshots are shown. Attributes: follow: until q, Ctrl-C or the source's end, and not one alone."""

    follow: bool = False
    as_json: bool = False
    recorded: Path | None = None
    plotted: Path | None = None

    def show(self, source: Source) -> None:
        """A screen where there is a terminal for one; lines otherwise. What was recorded is there after Ctrl-C, too."""
        if self.plotted is not None:
            plot.check(self.plotted)
        with ExitStack() as stack:
            recording = Recording()
            if self.plotted is not None:
                stack.callback(self._draw, recording)
            append = self._appending(stack)

            def keep(entry: Entry) -> None:
                recording.entries.append(entry)
                append(entry)

            if self.follow and not self.as_json and Console().is_terminal:
                watch(source, keep)
            else:
                self._lines(source, keep)

    def _appending(self, stack: ExitStack) -> Callable[[Entry], None]:
        if self.recorded is None:
            return lambda _: None
        try:
            file = stack.enter_context(self.recorded.open("w"))
        except OSError as error:
            raise InsituError(f"{self.recorded}: {error.strerror}") from None
        record.start(file)
        return lambda entry: record.append(file, entry)

    def _draw(self, recording: Recording) -> None:
        if self.plotted is not None and recording.entries:
            plot.plot(recording, self.plotted)

    def _lines(self, source: Source, keep: Callable[[Entry], None]) -> None:
        while True:
            try:
                entries = source.take()
            except EOFError:
                return
            for entry in entries:
                keep(entry)
                if self.as_json:
                    print(json.dumps(entry.snapshot), flush=True)
                else:
                    Console().print(ask.table(entry.snapshot))
                if not self.follow:
                    return


def of_emulated(
    board: Board, bindings: dict[str, str], given: Given, *, timeout: float, show: Callable[[Source], None]
) -> None:
    """Start the board's emulator with the image that was flashed, instantiate it, and show its pools.

    A function that nothing is said of prints what it is called with. timeout: see Session. show: gets the source.
    """
    data = flashed(board)
    imports = bind(read(data), {**_printing(read(data), given), **bindings})
    flash_file = places.flash_file(board)
    with Session(board, data, imports=imports, flash_file=flash_file, given=given, timeout=timeout) as session:
        show(Asked(session.link, f"the emulator of {board.name}"))


def replay(path: Path, shown: Shown) -> None:
    """Show a recording: at its own speed on a screen; the whole in one table, or as lines of JSON, otherwise.

    Raises InsituError where the file is none.
    """
    recording = record.read(path)
    if shown.plotted is not None:
        plot.plot(recording, shown.plotted)
    elif shown.follow:
        shown.show(Replayed(recording, str(path)))
    elif shown.as_json:
        for entry in recording.entries:
            print(json.dumps(entry.snapshot))
    else:
        Console().print(ask.table(recording.highest()))


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
