"""`insitu selftest` of many boards: a line of progress each, a table at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from insitu.commands.build import write_file
from insitu.commands.desk import Result, run_all
from insitu.selftest import CHECKS

_STATES = ("passed", "failed", "skipped")


def selftest_all(boards: Sequence[tuple[str, str]], made: Path | None, as_json: bool) -> None:
    """Test the boards, see run_all, and print what came of it; SystemExit(1) unless all is well.

    made: the reports as JSON go into this file, too.
    """
    if len(set(boards)) < len(boards):
        raise click.UsageError("a board is given twice")
    tested = _followed(boards)
    record = {"boards": [one.as_json() for one in tested]}
    if made is not None:
        write_file(made, json.dumps(record, indent=2).encode())
    if as_json:
        click.echo(json.dumps(record))
    else:
        Console(width=max(Console().width, 130)).print(_table(tested))  # a pipe gets whole lines
    if not all(one.passed for one in tested):
        raise SystemExit(1)


def _followed(boards: Sequence[tuple[str, str]]) -> list[Result]:
    """What came of them; how far each is stands on stderr meanwhile, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        tasks = {where: bar.add_task(where, total=len(CHECKS), line="") for _, where in boards}

        def say(where: str, line: str) -> None:
            bar.update(tasks[where], advance=line.strip().startswith(_STATES), line=line.strip()[:60])

        return run_all(boards, say)


def _table(tested: Sequence[Result]) -> Table:
    table = Table("at", "board", "MicroPython", *_STATES, "seconds", "what is wrong", box=None)
    for one in tested:
        counts = [str(one.count(state)) for state in _STATES] if one.report else ["-", "-", "-"]
        seconds = f"{one.report['seconds']:.0f}" if one.report else "-"
        version = one.about("firmware", "version")
        table.add_row(one.where, one.about("board", "name"), version, *counts, seconds, one.problem())
    return table
