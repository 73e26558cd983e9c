"""What a way of writing flash is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from insitu.board.record import Board
from insitu.link.raw_repl import Link
from insitu.steps import Progress


class Over(Enum):
    """What a writer reaches the board by."""

    LINK = "the serial line to its MicroPython"
    BOOT_LOADER = "the board's own boot loader"


@dataclass(frozen=True, slots=True)
class Target:
    """The board to write to; link: to its MicroPython, None for writers that go through its boot loader.

    port: where a boot loader is that has a serial port, None: not said.
    """

    board: Board
    link: Link | None
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Writer:
    """A row.

    Attributes:
        over: what it reaches the board by.
        write: write(target, address, data, progress) puts data into flash at an address of the CPU. It erases what
            it must and nothing outside of the board's `written`, writes the first erase block last (until then
            there is no valid image), and raises InsituError where anything is not as it should be. Whoever calls it
            has checked that data fits, and compares what the board reads back.
        note: what it costs and needs, a clause for a person.
        reads_back: whether write, over a boot loader, has compared what is in flash then.
        whole: an image can be written at the start of the region only, and all else there goes with it.
    """

    over: Over
    write: Callable[[Target, int, bytes, Progress], None]
    note: str
    reads_back: bool = False
    whole: bool = False
