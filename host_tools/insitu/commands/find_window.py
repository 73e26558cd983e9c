"""`insitu tune --window`: which window on linear memory takes the least RAM for some calls, in the simulator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from insitu.board.record import Board
from insitu.commands.build import build, is_image, read_file
from insitu.commands.tune import Call
from insitu.errors import InsituError
from insitu.image.read import read
from insitu.report.run import Sizes, measure
from insitu.session.given import NOTHING, Given
from insitu.steps import step

_HEAP, _STACK = 1 << 20, 1 << 14  # bytes, more than the calls need
_SIZES = (0, 256, 1024, 4096, 16384)  # of windows, in bytes


@dataclass(frozen=True, slots=True)
class Row:
    """What the calls took with one window.

    Attributes:
        window: bytes, None: without one.
        ram: bytes of the global heap at most, but for the operand stack.
        accesses: of far pages; pages: of them in use in the end.
    """

    window: int | None
    ram: int
    instructions: int
    accesses: int
    pages: int


@dataclass(frozen=True, slots=True)
class Found:
    """Attributes: rows: without a window first; best: of them, the one with the least RAM that is fast enough."""

    rows: list[Row]
    best: Row

    def table(self) -> Table:
        """For a person."""
        shown = Table("window", "RAM", "instructions", "far accesses", "far pages", "", title_justify="left")
        for column in shown.columns[:5]:
            column.justify = "right"
        for row in self.rows:
            window = "none" if row.window is None else f"{row.window:,}"
            times = f"{row.instructions:,} ({row.instructions / self.rows[0].instructions:.2f})"
            mark = "least RAM in the limit" if row is self.best else ""
            shown.add_row(window, f"{row.ram:,}", times, f"{row.accesses:,}", f"{row.pages:,}", mark)
        return shown

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"rows": [asdict(row) for row in self.rows], "window": self.best.window}


def find(
    source: Path,
    board: Board,
    calls: list[Call],
    bindings: dict[str, str],
    slowdown: int,
    given: Given = NOTHING,
    timeout: float | None = None,
) -> Found:
    """Make the calls with each of some windows. slowdown: by so many per cent, at most.

    bindings, given, timeout: see report.run.measure. Raises InsituError, also for a module without a memory of its own.
    """
    if is_image(read_file(source)):
        raise InsituError(f"{source} is an image: tune builds several, give the .wasm file")
    whole = read(build(source, board, window=0)).memory_size
    rows = []
    for window in (None, *(size for size in _SIZES if size < whole)):
        with step(f"running the calls with {'all of memory' if window is None else f'a window of {window}'}"):
            rows.append(_row(source, board, calls, bindings, window, given, timeout, whole))
    enough = [row for row in rows if 100 * row.instructions <= (100 + slowdown) * rows[0].instructions]
    return Found(rows, min(enough, key=lambda row: (row.ram, row.instructions)))


def _row(
    source: Path,
    board: Board,
    calls: list[Call],
    bindings: dict[str, str],
    window: int | None,
    given: Given,
    timeout: float | None,
    whole: int,
) -> Row:
    image = build(source, board, window=window)
    sizes = Sizes(heap=_HEAP + (2 * whole if window is None else 0), stack=_STACK)
    found = measure(board, image, calls, bindings, sizes=sizes, given=given, timeout=timeout)
    far = found.recording.entries[-1].snapshot["far_memories"]
    return Row(
        window,
        max(call.peaks["global heap"] for call in found.calls) - _STACK,
        sum(call.instructions or 0 for call in found.calls),
        sum(memory["accesses"] for memory in far),
        sum(memory["pages"] for memory in far),
    )
