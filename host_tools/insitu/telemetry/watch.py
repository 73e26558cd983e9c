"""A screen that stays: pools as bars with their peaks and small curves, what happened, keys."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from insitu.telemetry import ask, record
from insitu.telemetry.decode import Snapshot
from insitu.telemetry.record import Entry, Recording
from insitu.telemetry.source import Source

_BAR, _CURVE, _EVENTS = 30, 24, 10  # columns, columns, lines
_HEIGHTS = " ▁▂▃▄▅▆▇█"
_KEYS = "[b]m[/b] mark   {reset}[b]s[/b] save   [b]q[/b] quit"


class Screen:
    """What is shown. Attributes: recording: all that was taken."""

    def __init__(self, source: Source) -> None:
        self.recording = Recording()
        self._source, self._events = source, list[str]()
        self._values: dict[str, list[int]] = {}
        self._marks = 0

    def take(self, entry: Entry) -> None:
        """One more snapshot."""
        before = self.recording.entries[-1] if self.recording.entries else None
        self.recording.entries.append(entry)
        for event in record.events(before, entry):
            self.say(event)
        for row in _rows(entry.snapshot):
            self._values.setdefault(row.key, []).append(row.value)

    def say(self, event: str) -> None:
        """Something happened."""
        seconds = self.recording.entries[-1].seconds if self.recording.entries else 0
        self._events.append(f"{seconds:8.1f} s  {event}")

    def mark(self) -> Entry | None:
        """Name the last snapshot; it, with its name, None: there is none."""
        if not self.recording.entries:
            return None
        self._marks += 1
        last = self.recording.entries[-1]
        named = Entry(last.seconds, f"mark {self._marks}", last.snapshot)
        self.recording.entries[-1] = named
        self.say(f"mark {self._marks}")
        return named

    def render(self) -> Group:
        """All of it."""
        left_out = f", {self._source.left_out} left out" if self._source.left_out else ""
        title = f"insitu mem: {self._source.name}, {len(self.recording.entries)} snapshots{left_out}"
        head = Text(title, style="bold")
        parts: list[object] = [head]
        if self.recording.entries:
            parts.append(self._bars(self.recording.entries[-1].snapshot))
        parts.append(Panel("\n".join(self._events[-_EVENTS:]) or "nothing yet", title="events", title_align="left"))
        reset = "[b]r[/b] reset peaks   " if self._source.resets else ""
        parts.append(Text.from_markup(_KEYS.format(reset=reset)))
        return Group(*parts)  # type: ignore[arg-type]

    def _bars(self, snapshot: Snapshot) -> Table:
        table = Table("pool", "", "used", "peak", "size", "", box=None, pad_edge=False)
        for column in table.columns[2:5]:
            column.justify = "right"
        for row in _rows(snapshot):
            sizes = ["" if value is None else f"{value:,}" for value in (row.used, row.peak, row.size)]
            bars = (Text(), Text())
            if row.moves:
                bars = bar(row.whole, row.used, row.peak), Text(curve(self._values[row.key], row.whole), style="cyan")
            table.add_row(row.name, bars[0], *sizes, bars[1])
            if row.moves and row.note:
                table.add_row("", Text(row.note, style="dim"))
        return table


@dataclass(frozen=True, slots=True)
class _Row:
    """A pool. Attributes: key: several instances have pools of the same name; whole: what the bar is a share of."""

    key: str
    name: str
    size: int
    used: int | None
    peak: int | None
    note: str
    whole: int

    @property
    def moves(self) -> bool:
        """Whether it has a bar: not a block of constant size."""
        return self.used is not None or self.peak is not None or self.whole != self.size

    @property
    def value(self) -> int:
        return next(value for value in (self.used, self.peak, self.size) if value is not None)


def _rows(snapshot: Snapshot) -> Iterator[_Row]:
    """Rows of what has a size; linear memory, which is used to its end, as a share of the global heap."""
    heap, times = (snapshot["global_heap"] or {}).get("size", 0), Counter[str]()
    for name, size, used, peak, note in ask.pools(snapshot):
        times[name] += 1
        if size and name != "image in flash":
            whole = heap if name.strip() == "linear memory" and heap else size
            shown = note if used is not None else ""
            yield _Row(f"{name} {times[name]}", name, size, size if whole != size else used, peak, shown, whole)


def bar(size: int, used: int | None, peak: int | None) -> Text:
    """As much of it as is used, a paler part up to the peak, and what was never used."""
    full, high = (min(_BAR, -(-_BAR * value // size)) for value in (used or 0, max(peak or 0, used or 0)))
    colour = "red" if peak is not None and peak >= size else "green"
    bars = ("█" * full, colour), ("▒" * (high - full), "yellow"), ("·" * (_BAR - high), "dim")
    return Text.assemble(*bars)


def curve(values: list[int], size: int) -> str:
    """The last of them as heights, from nothing to size."""
    most = len(_HEIGHTS) - 1
    return "".join(_HEIGHTS[min(most, -(-most * value // size))] for value in values[-_CURVE:])


@contextlib.contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """A function that gives the key that was pressed, "": none was; where stdin is a terminal, without its echo."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        import msvcrt

        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""  # type: ignore[attr-defined]
        return
    if not sys.stdin.isatty():
        yield lambda: ""
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield lambda: os.read(number, 1).decode("ascii", "replace") if select.select([number], [], [], 0)[0] else ""
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def watch(source: Source, keep: Callable[[Entry], None], *, console: Console | None = None) -> Recording:
    """Show what comes until q, or until nothing is to come; what was taken. keep: gets each entry as it is."""
    screen = Screen(source)
    with keys() as pressed, Live(screen.render(), console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                entries = source.take()
            except EOFError:
                break
            for entry in entries:
                screen.take(entry)
                keep(entry)
            key = pressed()
            if key == "q":
                break
            _do(key, screen, source, keep)
            if entries or key:
                live.update(screen.render(), refresh=True)
    return screen.recording


def _do(key: str, screen: Screen, source: Source, keep: Callable[[Entry], None]) -> None:
    if key == "m" and (marked := screen.mark()):
        keep(marked)
    elif key == "r" and source.resets:
        source.reset_peaks()
        screen.say("peaks begin anew")
    elif key == "s" and screen.recording.entries:
        path = _free_name()
        record.write(path, screen.recording)
        screen.say(f"saved as {path}")


def _free_name() -> Path:
    number = 1
    while (path := Path(f"memory-{number}.jsonl")).exists():
        number += 1
    return path
