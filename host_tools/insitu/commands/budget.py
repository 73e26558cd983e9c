"""`insitu budget`: a report of what a budget names, and which of its limits are kept."""

from __future__ import annotations

from pathlib import Path

from insitu.board import boards
from insitu.commands.report import Work, make, read_report
from insitu.commands.tune import Call, Place
from insitu.report import budget as budgets
from insitu.report.budget import Budget, Kept
from insitu.report.facts import Facts
from insitu.report.metrics import PACKAGE
from insitu.report.run import Sizes
from insitu.session.given import Given, read_functions


def budget(path: Path) -> tuple[Budget, Facts, list[Kept]]:
    """What the file at path says, the report of it, and every limit. Raises InsituError."""
    found = budgets.read(path)
    base = None if found.base is None else read_report(found.base)
    given = Given(functions=read_functions(found.functions) if found.functions else "")
    work = Work(
        calls=tuple(map(Call.parse, found.calls)),
        bindings=found.imports,
        place=Place(sim=not found.on_board),
        given=lambda _: given,
        sizes=Sizes(found.heap, found.stack, found.app_heap, found.window),
        advised=False,
        packages=frozenset(name for name in found.boards if PACKAGE in found.limited(name)),
    )
    report = make(found.app, [boards.load_board(name) for name in found.boards], work)
    return found, report, budgets.judged(found, report, base)
