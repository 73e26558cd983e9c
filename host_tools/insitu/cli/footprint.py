"""Verbs that account for flash, stack and RAM: report, budget."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from insitu.aot.automatic import Automatic
from insitu.aot.window import Wanted
from insitu.board import boards
from insitu.cli import given, options
from insitu.cli.given import Told
from insitu.cli.loudness import remark
from insitu.commands import report, tune
from insitu.commands.budget import budget
from insitu.report.budget import Budget, Kept, github
from insitu.report.markdown import markdown
from insitu.report.run import Sizes
from insitu.session.which import board_at
from insitu.telemetry import record
from insitu.toolchain import LANGUAGES


@click.command("report")
@click.argument("app", type=click.Path(path_type=Path), help="A module, its source, or its image.")
@click.option("-b", "--board", "names", multiple=True, help="As `insitu boards` shows it; several: side by side.")
@options.port
@click.option("--on-board", is_flag=True, help="Make the calls in the board's emulator, not in the simulator.")
@click.option("--invoke", "calls", multiple=True, metavar="'NAME ARG ...'", help="A call to measure.")
@given.options
@click.option("--heap", type=options.BYTES, default=0, help="Bytes of the global heap; the board's unless given.")
@click.option("--stack", type=options.BYTES, default=0, help="Bytes of the operand stack; enough unless given.")
@options.heap_size
@options.window
@click.option("--recording", type=click.Path(path_type=Path), help="Of `insitu mem --record`: RAM as it was there.")
@click.option("--compare", type=click.Path(path_type=Path), metavar="OLD.json", help="Show what changed since then.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A .html, .json or .md file.")
@options.json
@click.argument("flags", nargs=-1, type=click.UNPROCESSED, metavar="[-- FLAG...]", help="For a source's compiler.")
def report_command(
    app: Path,
    names: tuple[str, ...],
    port: str | None,
    on_board: bool,
    calls: tuple[str, ...],
    told: Told,
    heap: int,
    stack: int,
    heap_size: int,
    window: Wanted | Automatic | None,
    recording: Path | None,
    compare: Path | None,
    output: Path | None,
    as_json: bool,
    flags: tuple[str, ...],
) -> None:
    """Account for every byte of flash, of the operand stack and of RAM that a module takes on boards.

    Without -o it is printed, as Markdown. Calls are made on the simulated CPU, or on the board at --port.
    """
    if not names and port is None:
        raise click.UsageError("give -b BOARD, or --port with a board that insitu knows")
    if port is not None and len(names) > 1:
        raise click.UsageError("at --port is one board")
    if flags and app.suffix not in LANGUAGES:
        raise click.UsageError(f"flags are for the compiler of a source, and {app} is none")
    found = [board_at(port, *names)] if port is not None else [boards.load_board(name) for name in names]
    work = report.Work(
        calls=tuple(map(tune.Call.parse, calls)),
        bindings=told.bindings,
        place=tune.Place(sim=not on_board and port is None, port=port),
        given=told.given,
        sizes=Sizes(heap, stack, heap_size, window),
        timeout=told.timeout,
        flags=flags,
        recording=record.read(recording) if recording else None,
    )
    made = report.make(app, found, work, old=compare)
    if output is None:
        click.echo(json.dumps(made) if as_json else markdown(made))
        return
    report.write_report(output, made)
    sizes = ", ".join(f"{board['board']} {board['flash']['image']} bytes" for board in made["boards"])
    if as_json:
        click.echo(json.dumps(made))
    else:
        options.done(False, {}, f"{output}: {sizes}")


@click.command("budget")
@click.argument(
    "file", type=click.Path(path_type=Path), metavar="BUDGET.toml", help="docs/footprint.md has its fields."
)
@click.option("--format", "shape", type=click.Choice(["text", "github"]), default="text", help="Of what is over.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The report, too: a .html, .json or .md file.")
@options.json
def budget_command(file: Path, shape: str, output: Path | None, as_json: bool) -> None:
    """Measure what a budget limits, and exit with 1 and a table where anything is over."""
    found, made, judged = budget(file)
    if output is not None:
        report.write_report(output, made)
    over = [kept for kept in judged if kept.over]
    if as_json:
        click.echo(json.dumps({"kept": not over, "limits": [asdict(kept) | {"over": kept.over} for kept in judged]}))
    else:
        _say(found, judged, over, shape)
    if over:
        raise SystemExit(1)


def _say(found: Budget, judged: list[Kept], over: list[Kept], shape: str) -> None:
    if shape == "github":
        for kept in over:
            click.echo(github(found, kept))
    elif over:
        table = Table("board", "what", "measured", "at most", "over", "", box=None)
        for kept in sorted(over, key=lambda one: -one.over / max(one.most, 1)):
            numbers = [f"{value:,}" for value in (kept.measured, kept.most, kept.over)]
            table.add_row(kept.board, kept.name, *numbers, kept.why)
        Console(width=max(Console().width, 120)).print(table)
    remark(f"{found.path}: {len(judged) - len(over)} of {len(judged)} limits are kept, {len(found.boards)} boards")
