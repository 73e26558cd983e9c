"""Verbs for images that have names or signatures: images, keygen, sign, and what flash does with --name."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from insitu.board.record import Board
from insitu.cli import options
from insitu.commands.build import build, check_output, read_file, write_file
from insitu.flash.store import Stored, next_version, opened, put_verifier
from insitu.sign import keys
from insitu.sign.signature import sign


def flash_named(
    app: Path, board: Board, port: str | None, told: tuple[str, int | None, int, Path | None], as_json: bool
) -> None:
    """Write an image beside those that are there. told: name, version, starts and key of the options."""
    name, version, starts, key = told
    data = build(app, board)
    with opened(board, port) as store:
        if key is not None:
            version = next_version(store, name) if version is None else version
            data = sign(data, key, name, version)
            put_verifier(store, board)
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


@click.command("keygen")
@click.argument("key", type=click.Path(path_type=Path), help="The file of the private key, a new one.")
@options.json
def keygen_command(key: Path, as_json: bool) -> None:
    """Make a key for `insitu sign`, and print the public one, which the board's program has."""
    public = keys.make(key).hex()
    options.say(as_json, {"key": str(key), "public": public}, f'insitu.Runtime(trusted=[bytes.fromhex("{public}")])')


@click.command("sign")
@click.argument("app", type=click.Path(path_type=Path), help="An image.")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="A private key of `insitu keygen`.")
@click.option("--name", default="", help="What the image is called in flash.")
@click.option("--version", type=options.WORD, default=0, show_default=True, help="Of the image.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The image with its signature.")
@options.json
def sign_command(app: Path, key: Path, name: str, version: int, output: Path, as_json: bool) -> None:
    """Sign an image, for a board's program that gets it by itself, or for another way to write it.

    `insitu flash --sign KEY` signs and writes.
    """
    check_output(output, app)
    data = sign(read_file(app), key, name, version)
    write_file(output, data)
    text = f"{output}: {len(data)} bytes, signed as {name or 'an image without a name'}, version {version}"
    options.done(as_json, {"output": str(output), "name": name, "version": version, "size": len(data)}, text)
