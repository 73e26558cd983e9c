"""The verbs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from insitu import boards, inspect, run
from insitu.build import build, read_file
from insitu.errors import InsituError
from insitu.flash import flash, flashed
from insitu.image.read import read

_board = click.option("-b", "--board", "board_name", required=True, help="A name in boards/, or a TOML file.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def _say(as_json: bool, record: dict[str, Any], text: str) -> None:
    click.echo(json.dumps(record) if as_json else text)


@click.command("build")
@click.argument("app", type=click.Path(path_type=Path))
@_board
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The image; APP.xip unless given.")
@_json
def build_command(app: Path, board_name: str, output: Path | None, as_json: bool) -> None:
    """Compile APP.wasm to an image for a board."""
    board = boards.load_board(board_name)
    data = build(app, board)
    made = output or app.with_suffix(".xip")
    made.write_bytes(data)
    facts = inspect.image_facts(data)
    text = (
        f"{made}: {len(data)} bytes for {board.name} ({board.target}), {facts['code_bytes']} of them code; "
        f"linear memory {facts['linear_memory']} bytes ({facts['linear_memory_note']})"
    )
    _say(as_json, {"output": str(made), "board": board.name, **facts}, text)


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@_json
def inspect_command(file: Path, as_json: bool) -> None:
    """Show what is in a .wasm or .xip file, and the RAM that an instance of it will need."""
    facts = inspect.facts(read_file(file), file.name)
    _say(as_json, facts, inspect.text(facts))


@click.command("flash")
@click.argument("app", type=click.Path(path_type=Path))
@_board
@_json
def flash_command(app: Path, board_name: str, as_json: bool) -> None:
    """Put an image into a board's flash and verify it there."""
    board = boards.load_board(board_name)
    done = flash(build(app, board), board)
    text = f"{board.name}: {done.size} bytes at {done.address:#010x}, read back with CRC {done.crc:#010x}"
    _say(as_json, {"board": board.name, "address": done.address, "size": done.size, "crc": done.crc}, text)


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("app", type=click.Path(path_type=Path))
@_board
@click.option("--invoke", "export", required=True, help="The exported function to call.")
@click.option("--import", "bindings", multiple=True, metavar="MOD.NAME=print", help="Bind a function import.")
@click.option("--heap", type=int, default=0, help="Bytes of the global heap.")
@click.option("--stack", type=int, default=2048, show_default=True, help="Bytes of the operand stack.")
@click.option("--sim", is_flag=True, help="Run on the simulated CPU instead of QEMU.")
@_json
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(
    app: Path,
    board_name: str,
    export: str,
    bindings: tuple[str, ...],
    heap: int,
    stack: int,
    sim: bool,
    as_json: bool,
    arguments: tuple[str, ...],
) -> None:
    """Run an export of an image on a board, in place, and print its results, one a line."""
    board = boards.load_board(board_name)
    data = build(app, board)
    imports = dict(_binding(text) for text in bindings)
    if sim:
        from insitu.simulate import SimulatedSession as Session
    else:
        from insitu.run import Session  # type: ignore[assignment]
    image = read(data)
    values = run.parse_arguments(image, export, list(arguments))
    with Session(board, data, imports=imports, heap=heap, stack=stack) as session:
        printed, results = session.invoke(export, values)
    if printed:
        click.echo(printed.decode("utf-8", "replace"), nl=False, err=as_json)
    _say(as_json, {"results": results}, "\n".join(map(run.format_value, results))) if results or as_json else None


def _binding(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if value != "print" or "." not in name:
        raise click.BadParameter(f"{text!r}: it must be MOD.NAME=print", param_hint="--import")
    return name, "print"


@click.command("mem")
@click.option("-b", "--board", "board_name", help="A QEMU board with a flashed image: started and instantiated.")
@click.option("--port", help="A serial port with a MicroPython board that runs insitu.")
@click.option("--watch", is_flag=True, help="Ask again every second until interrupted.")
@_json
def mem_command(board_name: str | None, port: str | None, watch: bool, as_json: bool) -> None:
    """Read back over serial how much of every pool of memory is in use."""
    from insitu.telemetry import ask

    if (board_name is None) == (port is None):
        raise click.UsageError("give either -b BOARD or --port PATH")
    if port is not None:
        ask.from_port(port, watch=watch, as_json=as_json)
        return
    board = boards.load_board(board_name or "")
    data = flashed(board)
    image = read(data)
    imports = {f"{module}.{name}": "print" for module, name, kind, _ in image.imports if kind == "func"}
    with run.Session(board, data, imports=imports) as session:
        ask.from_link(session.link, watch=watch, as_json=as_json)


@click.command("boards")
@_json
def boards_command(as_json: bool) -> None:
    """List the boards."""
    all_boards = [boards.load_board(name) for name in boards.names()]
    rows = [{"name": b.name, "target": b.target, "description": b.description} for b in all_boards]
    _say(as_json, {"boards": rows}, "\n".join(f"{b.name:20} {b.target:12} {b.description}" for b in all_boards))


@click.command("firmware")
@_board
@_json
def firmware_command(board_name: str, as_json: bool) -> None:
    """Say where the board's QEMU firmware is; `make setup` builds it."""
    board = boards.load_board(board_name)
    if not board.firmware.exists():
        raise InsituError(f"no firmware for {board.name} yet: run `make setup`")
    _say(as_json, {"board": board.name, "firmware": str(board.firmware)}, str(board.firmware))


COMMANDS = (
    build_command,
    inspect_command,
    flash_command,
    run_command,
    mem_command,
    boards_command,
    firmware_command,
)
