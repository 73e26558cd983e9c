"""A budget: what the numbers of a report may be at most, on which boards, with which calls. Pure but for its file.

app = "app.c"                            # beside the budget
boards = ["rpi_pico"]
calls = ["init 8000 1000", "process 4"]
base = "base.json"                       # a report, for [growth]

[imports]
"adc.read" = "2000"

[limits]                                 # of every board
image = 10000
"instructions: process 4" = 2000000

[limits.rpi_pico]                        # of one: instead of the same ones above
"operand stack needed" = 600

[growth]                                 # against the base: bytes, or a share
image = "2%"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from insitu.board.table import Table
from insitu.errors import InsituError
from insitu.report.facts import Facts
from insitu.report.metrics import metrics

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True, slots=True)
class Budget:
    """Attributes:
    path: the file; app, base, functions: as it names them, beside it.
    limits: by board, "" for every one, and by name of a number; growth: by name, as a text such as "2%" or "64".
    on_board: the calls are made in the boards' emulators, where the package is measured, too.
    """

    path: Path
    app: Path
    boards: tuple[str, ...]
    calls: tuple[str, ...]
    imports: Mapping[str, str]
    functions: Path | None
    heap: int
    stack: int
    app_heap: int
    window: int | None
    on_board: bool
    base: Path | None
    limits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    growth: Mapping[str, str] = field(default_factory=dict)

    def limited(self, board: str) -> set[str]:
        """Names of the numbers of a board that anything is said of."""
        return {*self.limits.get("", {}), *self.limits.get(board, {}), *self.growth}


@dataclass(frozen=True, slots=True)
class Kept:
    """A limit of one board and what was measured. Attributes: why: where the limit is from; table: of the file."""

    board: str
    name: str
    measured: int
    most: int
    why: str
    table: str

    @property
    def over(self) -> int:
        return max(0, self.measured - self.most)

    def __str__(self) -> str:
        return f"{self.board}: {self.name} is {self.measured:,}, at most {self.most:,} {self.why}"


def read(path: Path) -> Budget:
    """Raises InsituError naming the field that is missing, wrong, or unknown."""
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InsituError(f"{path}: {error}") from None
    table = Table(str(path), "", values)
    budget = Budget(
        path,
        app=path.parent / table.text("app"),
        boards=table.texts("boards"),
        calls=table.texts("calls", ()),
        imports=_texts(table, "imports"),
        functions=_beside(path, table.text("functions", "")),
        heap=table.maybe_number("heap") or 0,
        stack=table.maybe_number("stack") or 0,
        app_heap=table.maybe_number("heap_size") or 0,
        window=table.maybe_number("window"),
        on_board=table.text("on", "simulator") == "board",
        base=_beside(path, table.text("base", "")),
        limits=_limits(table),
        growth=_texts(table, "growth"),
    )
    table.nothing_left()
    _check(budget, table.text("on", "simulator"))
    return budget


def _beside(path: Path, name: str) -> Path | None:
    return path.parent / name if name else None


def _texts(table: Table, key: str) -> dict[str, str]:
    inside = table.maybe_table(key)
    return {} if inside is None else {name: str(value) for name, value in inside.rest().items()}


def _limits(table: Table) -> dict[str, dict[str, int]]:
    inside = table.maybe_table("limits")
    if inside is None:
        return {}
    found: dict[str, dict[str, int]] = {"": {}}
    for name, value in inside.rest().items():
        if isinstance(value, dict):
            one = inside.table(name)
            found[name] = {inner: one.number(inner) for inner in one.names()}
        else:
            found[""][name] = inside.number(name)
    return found


def _check(budget: Budget, on: str) -> None:
    if on not in ("simulator", "board"):
        raise InsituError(f'{budget.path}: on is {on!r}, it must be "simulator" or "board"')
    for name in budget.limits.keys() - {"", *budget.boards}:
        raise InsituError(f"{budget.path}: limits.{name} is of no board of the budget's: {', '.join(budget.boards)}")
    for name, text in budget.growth.items():
        if not (_SHARE.fullmatch(text) or text.isdecimal()):
            raise InsituError(f'{budget.path}: growth.{name} is {text!r}, it must be a number or a share such as "2%"')
    if budget.growth and budget.base is None:
        raise InsituError(f"{budget.path}: [growth] is against a report: give base")
    if not budget.growth and not any(budget.limits.values()):
        raise InsituError(f"{budget.path} limits nothing: write [limits] or [growth]")


def judged(budget: Budget, report: Facts, base: Facts | None = None) -> list[Kept]:
    """Every limit of every board. Raises InsituError for a number that the report does not have."""
    before = {board["board"]: metrics(board) for board in base["boards"]} if base else {}
    found: list[Kept] = []
    for board in report["boards"]:
        numbers = metrics(board)
        found += _limited(budget, board["board"], numbers)
        found += _grown(budget, board["board"], numbers, before.get(board["board"], {}))
    return found


def _limited(budget: Budget, board: str, numbers: Mapping[str, int]) -> Iterator[Kept]:
    own = budget.limits.get(board, {})
    for name, most in {**budget.limits.get("", {}), **own}.items():
        table = f"limits.{board}" if name in own else "limits"
        yield Kept(board, name, _number(budget, numbers, name, table), most, "in the budget", table)


def _grown(budget: Budget, board: str, numbers: Mapping[str, int], before: Mapping[str, int]) -> Iterator[Kept]:
    for name, text in budget.growth.items():
        now = _number(budget, numbers, name, "growth")
        if name not in before:
            raise InsituError(f"{budget.base} has no {name} of {board}: write it anew, `insitu report -o BASE.json`")
        share = _SHARE.fullmatch(text)
        more = int(before[name] * float(share.group(1)) / 100) if share else int(text)
        yield Kept(board, name, now, before[name] + more, f"as {before[name]:,} before and {text} more", "growth")


def _number(budget: Budget, numbers: Mapping[str, int], name: str, table: str) -> int:
    if name not in numbers:
        raise InsituError(f"{budget.path}: {table}.{name} was not measured; there are: {', '.join(numbers)}")
    return numbers[name]


def line(budget: Budget, kept: Kept) -> int:
    """The line of the file that has the limit."""
    table = ""
    name = re.compile(rf'\s*"?{re.escape(kept.name)}"?\s*=')
    for number, text in enumerate(budget.path.read_text().splitlines(), 1):
        if head := re.fullmatch(r"\s*\[\s*([\w.]+)\s*\].*", text):
            table = head.group(1)
        elif table == kept.table and name.match(text):
            return number
    return 1


def github(budget: Budget, kept: Kept) -> str:
    """An annotation as GitHub's runners read it from a job's output (docs.github.com, "Workflow commands")."""
    text = _escaped(str(kept))
    return f"::error file={_escaped(str(budget.path))},line={line(budget, kept)},title=insitu budget::{text}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
