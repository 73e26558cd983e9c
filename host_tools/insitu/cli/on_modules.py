"""Verbs for MicroPython's own modules: mpy, exec."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from insitu.cli import options
from insitu.commands import mpy
from insitu.commands.build import make_folder, write_file
from insitu.commands.execute import execute
from insitu.errors import InsituError
from insitu.mpy.report import Row


@click.command("mpy")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE|FOLDER...",
    help="Sources, .mpy files, packages, and what else is to be in the partition.",
)
@options.maybe_board
@options.port
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="X.romfs, or a folder; see below.")
@options.json
def mpy_command(paths: tuple[Path, ...], board_name: str | None, port: str | None, output: Path, as_json: bool) -> None:
    """Link MicroPython modules so that their machine code (viper, native, assembler, C) is executed in flash.

    X.romfs is a ROM file system for the board's ROM partition; `insitu flash X.romfs` writes it. A board without one
    gets a folder: .mpy files for its file system and modules.code, which `insitu flash` writes, too.
    """
    board = options.find_board(board_name, port)
    where = mpy.place(board, port)
    if where is None and output.suffix:
        raise InsituError(f"{board.name} has no ROM partition: give -o FOLDER, for .mpy files and their code")
    files = mpy.collect(paths, board)
    made = mpy.make(files, board, where, output.name, mpy.ask_firmware(files, board, port))
    for name, data in made.files.items():
        path = output if where is not None else output / name
        make_folder(path.parent)
        write_file(path, data)
    flashed = output if where is not None else output / mpy.CODE_FILE
    size = flashed.stat().st_size
    record = {"board": board.name, "output": str(output), "address": made.address, "size": size}
    if not as_json:
        Console(width=max(Console().width, 110)).print(_table(made.rows))
    text = f"{flashed}: {size} bytes for {made.address:#010x} of {board.name}; insitu flash {flashed} -b {board.name}"
    options.done(as_json, {**record, "modules": [asdict(row) for row in made.rows]}, text)


def _table(rows: list[Row]) -> Table:
    table = Table("module", "flash", "was", "code in RAM", "was", "data in RAM", "names in RAM", "", box=None)
    for row in rows:
        numbers = (row.flash_after, row.flash_before, row.code_after, row.code_before, row.data, row.names)
        table.add_row(row.path, *map(str, numbers), row.note)
    return table


@click.command("exec")
@click.argument("code", help="What the board is to run.")
@options.maybe_board
@options.port
def exec_command(code: str, board_name: str | None, port: str | None) -> None:
    """Run Python CODE on a board's MicroPython, its ROM partition mounted, and print what it prints."""
    click.echo(execute(code, options.find_board(board_name, port), port).decode("utf-8", "replace"), nl=False)
