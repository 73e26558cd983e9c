"""`insitu selftest`; of many boards: a line of progress each, a table at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from insitu import places
from insitu.board.record import Board
from insitu.cli import options
from insitu.commands.build import write_file
from insitu.commands.desk import LABGRID, PORT, Result, run_all
from insitu.commands.selftest import selftest
from insitu.machine.place import place
from insitu.selftest import CHECKS

_STATES = ("passed", "failed", "skipped")


@click.command("selftest")
@options.maybe_board
@click.option("--port", "ports", multiple=True, help="As of the other verbs; several: all of them, side by side.")
@click.option("--labgrid", "farm", multiple=True, metavar="PLACE", help="A place of a labgrid board farm; several.")
@click.option("--sim", is_flag=True, help="On the simulated CPU instead of an emulator.")
@click.option("--to", "made", type=click.Path(path_type=Path), help="Write the report as JSON into a file, too.")
@options.json
def selftest_command(
    board_name: str | None, ports: tuple[str, ...], farm: tuple[str, ...], sim: bool, made: Path | None, as_json: bool
) -> None:
    """Run the device part of insitu's tests on a board, and print a report to send in; status 1 if a check fails."""
    many = [*((PORT, port) for port in ports), *((LABGRID, name) for name in farm)]
    if sim and many:
        raise click.UsageError("--sim goes without --port and --labgrid")
    if len(many) > 1:
        if board_name is not None:
            raise click.UsageError("several boards are known by what their firmware says: no -b goes with them")
        selftest_all(many, made, as_json)
        return
    with place(farm[0]) if farm else nullcontext(ports[0] if ports else None) as port:
        _selftest(options.find_board(board_name, port), port, sim, made, as_json)


def _selftest(board: Board, port: str | None, sim: bool, made: Path | None, as_json: bool) -> None:
    report = selftest(
        board,
        port=port,
        sim=sim,
        flash_file=places.flash_file(board),
        say=lambda text: click.echo(text, err=as_json),
    )
    if made is not None:
        write_file(made, json.dumps(report.as_json(), indent=2).encode())
    if as_json:
        click.echo(json.dumps(report.as_json()))
    if not report.passed:
        raise SystemExit(1)


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
