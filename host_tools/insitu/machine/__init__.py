"""What code runs on.

To add an emulator: a file here with a class as in emulator.py, and a row in EMULATORS; a board file names it in its
table [machine].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from insitu import places
from insitu.board import boards
from insitu.board.record import Board
from insitu.board.table import BoardError
from insitu.errors import InsituError
from insitu.link.runner import Runner
from insitu.machine.emulator import Emulator
from insitu.machine.flash_file import FlashFile
from insitu.machine.qemu import Qemu
from insitu.machine.rp2040 import Rp2040

EMULATORS: Mapping[str, type[Emulator]] = {"qemu": Qemu, "rp2040": Rp2040}
Contents = list[tuple[int, bytes]]  # of flash: address as the CPU sees it, bytes


class Machine(Protocol):
    """What all of them are: an emulator, Port, Simulated. Use it in a `with`.

    Attributes: port: of the serial line, "" where there is none.
    """

    @property
    def port(self) -> str: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def link(self) -> Runner: ...


def emulator(board: Board) -> type[Emulator]:
    """The class of the emulator that the board names. Raises InsituError where it names none that is known."""
    if board.emulator is None:
        raise InsituError(f"{board.name} has no emulator: give --port with the board's serial port")
    kind = board.emulator["kind"]
    if kind not in EMULATORS:
        raise BoardError(f'{board.name}: machine kind "{kind}" is none of {", ".join(EMULATORS)}')
    found = EMULATORS[kind]
    if problem := found.problem(board.emulator):
        raise BoardError(f"{board.name}: table machine: {problem}")
    return found


def stock_firmware(board: Board) -> Path:
    """The stock firmware that the board's emulator runs. Raises InsituError where it is not there."""
    path = places.firmware(board, emulator(board).FIRMWARE)
    if not path.exists():
        name = board.name if board.name in boards.names() else f"{board.name}.toml"
        raise InsituError(f"no firmware for {board.name}: `insitu firmware -b {name} --build` makes {path}")
    return path


def emulated(
    board: Board,
    contents: Contents,
    *,
    flash_file: Path | None = None,
    firmware: Path | None = None,
    counted: bool = False,
) -> Emulator:
    """The board in its emulator; use it in a `with`.

    contents: what is written into its flash first. flash_file: keeps its flash from run to run, see
    places.flash_file; None: a flash that ends with the machine. firmware: another than the stock one.
    counted: the machine's time goes by executed instructions, not by the host's clock.
    """
    path = firmware or stock_firmware(board)
    return emulator(board)(board, contents, flash_file=flash_file, firmware=path, counted=counted)


def flash_of(board: Board) -> FlashFile:
    """The flash that `insitu flash` writes and the board's emulator starts with."""
    return FlashFile(places.flash_file(board), emulator(board).flash_region(board))
