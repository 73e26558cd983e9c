"""What every emulator of boards does, whatever it is called."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from insitu.board.record import Board, Region
from insitu.link.raw_repl import Link
from insitu.machine.flash_file import FlashFile
from insitu.steps import step


class Emulator(ABC):
    """A board in an emulator; use it in a `with`, in which it runs.

    A class of its own for each emulator gives start(), and says what it wants of a board file's table [machine].

    Attributes:
        FIRMWARE: suffix of the firmware file that it starts.
        OPTIONS: fields of [machine] beside kind, all needed, and their types.
        board: the board; firmware: path of the firmware; counted: time goes by executed instructions.
        flash: the board's flash; start() may read it, and what the program writes into it must be in the file when
            the emulator has ended.
        folder: for temporary files.
        port: of the serial line, once it runs; what insitu.link opens.
    """

    FIRMWARE: ClassVar[str]
    OPTIONS: ClassVar[Mapping[str, type]]

    def __init__(
        self,
        board: Board,
        contents: list[tuple[int, bytes]],
        *,
        flash_file: Path | None,
        firmware: Path,
        counted: bool,
    ) -> None:
        """See insitu.machine.emulated."""
        self.board, self.firmware, self.counted = board, firmware, counted
        self._contents, self._flash_file = contents, flash_file
        self.port = ""
        self.folder: Path
        self.flash: FlashFile
        self._stack = ExitStack()

    @classmethod
    def problem(cls, table: Mapping[str, Any]) -> str:
        """What is wrong with a table [machine] of this kind; "": nothing."""
        for name, kind in cls.OPTIONS.items():
            if name not in table:
                return f"the field {name!r} is missing"
            if not isinstance(table[name], kind) or isinstance(table[name], bool):
                return f"the field {name!r} must be of type {kind.__name__}, not {table[name]!r}"
        for name in table:
            if name != "kind" and name not in cls.OPTIONS:
                return f"there is no field {name!r}"
        return ""

    @classmethod
    def summary(cls, table: Mapping[str, Any]) -> str:
        """What emulates the board, for a person."""
        return str(table["kind"])

    @classmethod
    @abstractmethod
    def flash_region(cls, board: Board) -> Region:
        """The part of the board's flash that the file stands for."""

    @abstractmethod
    def start(self) -> str:
        """Start it; the port of its serial line. What ends it goes onto self.on_exit. Raises InsituError."""

    @property
    def on_exit(self) -> ExitStack:
        """What is done when the machine ends, last first."""
        return self._stack

    def option(self, name: str) -> Any:
        """A field of the board file's table [machine]."""
        assert self.board.emulator is not None
        return self.board.emulator[name]

    def __enter__(self) -> Self:
        # what was started ends, too, where the rest fails
        with step(f"starting the emulator of {self.board.name}"), ExitStack() as stack:
            self._stack = stack
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="insitu-machine-")))
            self.flash = FlashFile(self._flash_file or self.folder / "flash.bin", self.flash_region(self.board))
            self.flash.make()
            for address, data in self._contents:
                self.flash.write(address, data)
            self.port = self.start()
            self._stack = stack.pop_all()
        return self

    def link(self) -> Link:
        """A link to its MicroPython; use it in a `with`."""
        return Link(self.port)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
