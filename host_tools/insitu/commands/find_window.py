"""`insitu tune --window`: which window on linear memory takes the least RAM for some calls, in the simulator."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from insitu.aot import aux_stack, window
from insitu.aot.automatic import Automatic, statics
from insitu.aot.options import Options
from insitu.aot.window import Wanted
from insitu.board.record import Board
from insitu.commands.build import build, is_image, read_file
from insitu.commands.tune import Call
from insitu.errors import InsituError
from insitu.image.read import read
from insitu.report.run import Sizes, measure
from insitu.session.given import NOTHING, Given
from insitu.steps import step
from insitu.wasm.decode import decode
from insitu.wasm.module import Module

_HEAP, _STACK = 1 << 20, 1 << 14  # bytes, more than the calls need
_SIZES = (0, 256, 1024, 4096, 16384)  # of windows from 0 on, in bytes
_GRAIN = 64  # bytes that are looked at together
_GAP = 512  # bytes of zeros that a window may have inside
_RANGES = 2  # of what was written, that are tried as windows: the largest ones
# A window is read without a page being made by it.
_WRITTEN = f"""
_m = inst.memory
print([_at for _at in range(0, _m.size, {_GRAIN}) if any(_m[_at : min(_at + {_GRAIN}, _m.size)])])
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What the calls took with one window.

    Attributes:
        window: None: without one.
        ram: bytes of the global heap at most, but for the operand stack.
        accesses: of far pages; pages: of them in use in the end.
        written: addresses of _GRAIN bytes each of which some are not 0 in the end.
    """

    window: Wanted | None
    ram: int
    instructions: int
    accesses: int
    pages: int
    written: list[int]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        del found["written"]
        return found

    def flags(self) -> list[str]:
        """Of `insitu build`."""
        if self.window is None:
            return []
        page = ["--far-page", str(self.window.page)] if self.window.page != window.PAGE else []
        return ["--window", str(self.window), *page]


@dataclass(frozen=True, slots=True)
class Found:
    """Attributes: rows: without a window first; best: of them, the one with the least RAM that is fast enough.

    far: with the best, bytes that are not 0 in the end and lie outside of it, by what they belong to.
    """

    rows: list[Row]
    best: Row
    far: dict[str, int] = field(default_factory=dict)

    def table(self) -> Table:
        """For a person."""
        shown = Table("window", "page", "RAM", "instructions", "far accesses", "far pages", "", title_justify="left")
        for column in shown.columns[:6]:
            column.justify = "right"
        for row in self.rows:
            name, page = ("none", "") if row.window is None else (str(row.window), str(row.window.page))
            times = f"{row.instructions:,} ({row.instructions / self.rows[0].instructions:.2f})"
            mark = "least RAM in the limit" if row is self.best else ""
            shown.add_row(name, page, f"{row.ram:,}", times, f"{row.accesses:,}", f"{row.pages:,}", mark)
        return shown

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        best = None if self.best.window is None else asdict(self.best.window)
        return {"rows": [row.facts() for row in self.rows], "window": best, "far": self.far}


@dataclass(frozen=True, slots=True)
class _Work:
    """What is run with each window; see find."""

    source: Path
    board: Board
    calls: list[Call]
    bindings: dict[str, str]
    given: Given
    timeout: float | None
    whole: int

    def row(self, wanted: Wanted | None) -> Row:
        image = build(self.source, self.board, Options(window=wanted))
        sizes = Sizes(heap=_HEAP + (2 * self.whole if wanted is None else 0), stack=_STACK)
        what = "all of memory" if wanted is None else f"a window of {wanted} and far pages of {wanted.page}"
        with step(f"running the calls with {what}"):
            found = measure(
                *(self.board, image, self.calls, self.bindings),
                sizes=sizes,
                given=self.given,
                timeout=self.timeout,
                last=_WRITTEN,
            )
        far = found.recording.entries[-1].snapshot["far_memories"]
        return Row(
            wanted,
            max(call.peaks["global heap"] for call in found.calls) - _STACK,
            sum(call.instructions or 0 for call in found.calls),
            sum(memory["accesses"] for memory in far),
            sum(memory["pages"] for memory in far),
            ast.literal_eval(found.said.splitlines()[-1]),
        )


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

    Windows from 0 on, what `auto` is, and the ranges that the calls write; of the best one, with other far pages, too.
    bindings, given, timeout: see report.run.measure. Raises InsituError, also for a module without a memory of its own.
    """
    data = read_file(source)
    if is_image(data):
        raise InsituError(f"{source} is an image: tune builds several, give the .wasm file")
    whole = read(build(source, board, Options(window=0))).memory_size
    work, module = _Work(source, board, calls, bindings, given, timeout, whole), decode(data)
    rows = [work.row(None)]
    most = (100 + slowdown) * rows[0].instructions

    def best() -> Row:
        enough = [row for row in rows if 100 * row.instructions <= most]
        return min(enough, key=lambda row: (row.ram, row.instructions))

    rows += [work.row(wanted) for wanted in _windows(module, whole, rows[0].written)]
    first = best().window
    if first is not None:
        rows += [work.row(replace(first, page=page)) for page in window.PAGES if page != first.page]
    return Found(rows, best(), _far(module, best()))


def _windows(module: Module, whole: int, written: list[int]) -> Iterator[Wanted]:
    """Those that are not the same in what memory has at first."""
    aux, seen = aux_stack.found_or_guessed(module), set()
    ranges = sorted(_ranges(written), key=lambda ends: ends[0] - ends[1])[:_RANGES]
    sizes = [Wanted(0, size) for size in _SIZES if size < whole]
    for wanted in (*sizes, Automatic().of(module, aux), *(Wanted(*ends) for ends in ranges)):
        planned = window.plan(wanted, whole)
        if planned not in seen:
            seen.add(planned)
            yield wanted


def _ranges(written: list[int]) -> list[tuple[int, int]]:
    """First address and the one behind the last, of what lies together."""
    found: list[tuple[int, int]] = []
    for at in written:
        start = at
        if found and at <= found[-1][1] + _GAP:
            start, _ = found.pop()
        found.append((start, at + _GRAIN))
    return found


def _far(module: Module, row: Row) -> dict[str, int]:
    if row.window is None:
        return {}
    aux = aux_stack.found_or_guessed(module)
    start, end = statics(module, aux)
    found = {"static data": 0, "aux stack": 0, "heap": 0}
    for at in row.written:
        if not row.window.low <= at < row.window.high:
            kind = "aux stack" if aux.bottom <= at < aux.top else "static data" if start <= at < end else "heap"
            found[kind] += _GRAIN
    return {kind: size for kind, size in found.items() if size}
