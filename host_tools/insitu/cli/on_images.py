"""Verbs for images that have names: images, and what flash does with --name."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from insitu.board.record import Board
from insitu.cli import options
from insitu.commands.build import build
from insitu.flash.store import Stored, opened


def flash_named(
    app: Path, board: Board, port: str | None, name: str, version: int | None, starts: int, as_json: bool
) -> None:
    """Write an image beside those that are there."""
    data = build(app, board)
    with opened(board, port) as store:
        done = store.add(data, name, version, starts)
    text = f"{board.name}: {_called(done)}, {done.size} bytes at {done.address:#010x}, read back with its CRC"
    options.done(as_json, {"board": board.name, **asdict(done)}, text)


def _called(image: Stored) -> str:
    return f"{image.name} version {image.version}" if image.name else "an image without a name"


@click.command("images")
@options.maybe_board
@options.port
@click.option("--remove", "removed", metavar="NAME", help="Remove the images of that name.")
@click.option("--version", type=options.WORD, help="With --remove: only that one.")
@options.json
def images_command(
    board_name: str | None, port: str | None, removed: str | None, version: int | None, as_json: bool
) -> None:
    """List the images that `insitu flash --name` has put into a board's flash, or remove some of them."""
    if version is not None and removed is None:
        raise click.UsageError("--version goes with --remove")
    with opened(options.find_board(board_name, port), port) as store:
        if removed is not None:
            store.remove(removed, version)
        found = store.rows()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found]))
        return
    for row in found:
        click.echo(f"{_called(row):32} {row.size:8} bytes at {row.address:#010x}  {row.state}")
