"""Verbs that say what boards there are, and where the firmware for their emulators is: boards, firmware."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from insitu.board import boards
from insitu.cli import options
from insitu.commands.boards import rows
from insitu.machine import stock_firmware
from insitu.package.firmware import built_firmware, frozen_firmware


@click.command("boards")
@options.json
def boards_command(as_json: bool) -> None:
    """List the boards: what each is, and what has run on it."""
    found, others = rows(), boards.unsupported()
    if as_json:
        record = {"boards": [asdict(row) for row in found], "unsupported": [asdict(other) for other in others]}
        click.echo(json.dumps(record))
        return
    table = Table("board", "chip", "builds", "emulated", "on hardware", "written by", "package", box=None)
    for row in found:
        builds = f"yes, {row.target}"
        emulated = row.emulated if row.ready or row.emulated == "no" else f"{row.emulated} (no firmware yet)"
        table.add_row(row.name, row.chip, builds, emulated, row.hardware, row.written, row.package)
    width = max(Console().width, 150)  # a pipe gets whole lines
    Console(width=width).print(table)
    for other in others:
        click.echo(f" {other.name} ({other.chip}, {other.core}) is not supported: {other.why}")


@click.command("firmware")
@options.board
@click.option("--frozen", is_flag=True, help="With the device package frozen in; built if it is not there.")
@click.option("--build", "build_it", is_flag=True, help="Build it if it is not there: minutes, the first time.")
@options.json
def firmware_command(board_name: str, frozen: bool, build_it: bool, as_json: bool) -> None:
    """Say where the firmware of a board's emulator is; made of Debian's sources of MicroPython, or of MICROPY_DIR's."""
    board = boards.load_board(board_name)
    path = frozen_firmware(board) if frozen else built_firmware(board_name) if build_it else stock_firmware(board)
    options.say(as_json, {"board": board.name, "firmware": str(path)}, str(path))
