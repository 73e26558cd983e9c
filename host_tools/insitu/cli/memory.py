"""`insitu mem`: from where it is read, and what becomes of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from insitu.board import boards
from insitu.cli import given, options
from insitu.cli.given import Told
from insitu.cli.loudness import remark
from insitu.commands.memory import Shown, of_emulated, replay, words_of_a_call
from insitu.link.raw_repl import Link
from insitu.telemetry.source import Asked, Heard


@click.command("mem")
@click.option("-b", "--board", "board_name", help="A board whose emulator is started with the flashed image.")
@click.option("--port", help="A serial port with a MicroPython board that runs insitu.")
@click.option("--listen", is_flag=True, help="With --port: ask nothing, wait for what the program sends by itself.")
@click.option("--watch", is_flag=True, help="Again and again until interrupted; in a terminal a screen that stays.")
@click.option("--record", "recorded", type=click.Path(path_type=Path), help="Keep what comes in a file; with --watch.")
@click.option("--replay", "replayed", type=click.Path(path_type=Path), help="Show what --record kept; no board.")
@click.option("--plot", "plotted", type=click.Path(path_type=Path), help="Draw the curves: a .svg or .png file.")
@given.options
@options.json
def mem_command(
    board_name: str | None,
    port: str | None,
    listen: bool,
    watch: bool,
    recorded: Path | None,
    replayed: Path | None,
    plotted: Path | None,
    told: Told,
    as_json: bool,
) -> None:
    """Read back over serial how much of every pool of memory is in use.

    With -b the image is only instantiated: `insitu run --mem` shows what a call used.
    """
    shown = Shown(watch, as_json, recorded, plotted)
    if replayed is not None:
        if board_name is not None or port is not None or recorded is not None:
            raise click.UsageError("--replay needs no board, and there is nothing to --record")
        replay(replayed, shown)
        return
    if board_name is None and port is None:
        raise click.UsageError("give -b BOARD, --port PATH or --replay FILE")
    if recorded is not None and not watch:
        raise click.UsageError("--record goes with --watch")
    if listen and port is None:
        raise click.UsageError("--listen goes with --port")
    if port is not None:
        if told.words:
            raise click.UsageError(f"the program at --port has what it imports: {told.words[0]} goes with -b")
        if listen:
            shown.show(Heard(port))
            return
        with Link(port) as link:
            shown.show(Asked(link, port))
        return
    board = boards.load_board(board_name or "")
    things = told.given(board)
    of_emulated(board, told.bindings, things, timeout=told.timeout, show=shown.show)
    if not as_json and (words := words_of_a_call(board, told.bindings, things)):
        remark(shlex.join(["insitu", "run", *words, *told.words, "-b", board_name or ""]))
