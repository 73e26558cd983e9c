"""The verbs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from insitu import places
from insitu.board import boards
from insitu.cli import options
from insitu.commands import inspect
from insitu.commands.build import build, read_file, write_file
from insitu.errors import InsituError
from insitu.flash.write import flash, flashed
from insitu.image.read import read
from insitu.machine import stock_firmware
from insitu.package.deploy import METHODS
from insitu.package.firmware import frozen_firmware
from insitu.session import session as run
from insitu.session import values

_DEPLOY_HELP = (
    "How the device package gets there: in a ROM partition, over the serial line to a stock firmware, "
    "or in a firmware built with it."
)


def _say(as_json: bool, record: dict[str, Any], text: str) -> None:
    click.echo(json.dumps(record) if as_json else text)


@click.command("build")
@click.argument("app", type=click.Path(path_type=Path))
@options.board
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The image; APP.xip unless given.")
@options.heap_size
@click.option("--aux-stack-size", type=options.BYTES, help="Refuse a module whose aux stack is smaller.")
@options.json
def build_command(
    app: Path, board_name: str, output: Path | None, heap_size: int, aux_stack_size: int | None, as_json: bool
) -> None:
    """Compile APP.wasm to an image for a board."""
    board = boards.load_board(board_name)
    if app.suffix == ".xip":
        raise InsituError(f"{app} is an image already: build wants the .wasm file")
    data = build(app, board, app_heap=heap_size)
    facts = inspect.image_facts(data)
    if aux_stack_size is not None:
        inspect.check_aux_stack(facts, aux_stack_size)
    made = output or app.with_suffix(".xip")
    write_file(made, data)
    text = (
        f"{made}: {len(data)} bytes for {board.name} ({board.target}), {facts['code_bytes']} of them code; "
        f"linear memory {facts['linear_memory']} bytes ({facts['linear_memory_note']})"
    )
    if facts["linear_memory_hint"]:
        text += f"\n{facts['linear_memory_hint']}"
    _say(as_json, {"output": str(made), "board": board.name, **facts}, text)


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-b", "--board", "board_name", help="Of a .wasm file: what its image for this board would be, too.")
@click.option(
    "--stack", type=options.BYTES, default=2048, show_default=True, help="Bytes of the operand stack to count."
)
@options.json
def inspect_command(file: Path, board_name: str | None, stack: int, as_json: bool) -> None:
    """Show what is in a .wasm or .xip file, and the RAM that an instance of it will need."""
    data = read_file(file)
    facts = inspect.facts(data, file.name, stack)
    if board_name is not None and facts["kind"] == "module":
        facts["image"] = inspect.image_facts(build(file, boards.load_board(board_name)), stack)
    _say(as_json, facts, inspect.text(facts))


@click.command("flash")
@click.argument("app", type=click.Path(path_type=Path))
@options.board
@options.json
def flash_command(app: Path, board_name: str, as_json: bool) -> None:
    """Put an image into a board's flash and verify it there."""
    board = boards.load_board(board_name)
    done = flash(build(app, board), board)
    text = f"{board.name}: {done.size} bytes at {done.address:#010x}, read back with CRC {done.crc:#010x}"
    _say(as_json, {"board": board.name, "address": done.address, "size": done.size, "crc": done.crc}, text)


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("app", type=click.Path(path_type=Path))
@options.board
@click.option("--invoke", "export", default="_start", show_default=True, help="The exported function to call.")
@click.option("--import", "bindings", multiple=True, metavar="MOD.NAME=print", help="Bind a function import.")
@click.option("--heap", type=options.SOME_BYTES, help="Bytes of the global heap; the board's unless given.")
@click.option("--stack", type=options.SOME_BYTES, default=2048, show_default=True, help="Bytes of the operand stack.")
@options.heap_size
@click.option("--initial-memory", type=options.PAGES, help="Pages of linear memory at first.")
@click.option("--max-memory", type=options.PAGES, help="Pages of linear memory at most.")
@click.option("--deploy", type=click.Choice(list(METHODS)), help=_DEPLOY_HELP)
@click.option("--sim", is_flag=True, help="Run on the simulated CPU instead of QEMU.")
@options.json
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(
    app: Path,
    board_name: str,
    export: str,
    bindings: tuple[str, ...],
    heap: int | None,
    stack: int,
    heap_size: int,
    initial_memory: int | None,
    max_memory: int | None,
    deploy: str | None,
    sim: bool,
    as_json: bool,
    arguments: tuple[str, ...],
) -> None:
    """Run an export of an image on a board, in place, and print its results, one a line."""
    board = boards.load_board(board_name)
    data = build(app, board, app_heap=heap_size)
    knobs = {"heap_size": heap_size, "initial_memory": initial_memory, "max_memory": max_memory}
    image = read(data)
    imports = run.printers(image, [_bound_name(text) for text in bindings])
    passed = run.parse_arguments(image, export, list(arguments))
    session = run.Session(
        board,
        data,
        imports=imports,
        heap=heap or 0,
        stack=stack,
        knobs=knobs,
        deploy=deploy,
        flash_file=places.flash_file(board),
        sim=sim,
    )
    try:
        with session:
            printed, results = session.invoke(export, passed)
    except run.RunError as error:
        _echo_output(error.output, as_json)
        raise
    _echo_output(printed, as_json)
    typed = list(zip(run.export_type(image, export)[1], results, strict=True))
    if as_json:
        click.echo(json.dumps({"results": [values.plain(*result) for result in typed]}))
    for letter, result in typed if not as_json else ():
        click.echo(values.text(letter, result))


def _echo_output(printed: bytes, as_json: bool) -> None:
    click.echo(printed.decode("utf-8", "replace"), nl=False, err=as_json)


def _bound_name(text: str) -> str:
    name, value = options.import_name(text)
    if value != "print":
        raise click.BadParameter(f"{text!r}: it must be MOD.NAME=print", param_hint="--import")
    return name


@click.command("tune")
@click.argument("app", type=click.Path(path_type=Path))
@options.board
@click.option("--invoke", "calls", multiple=True, required=True, metavar="'NAME ARG ...'", help="A call to make.")
@click.option("--import", "bindings", multiple=True, metavar="MOD.NAME=print|NUMBER", help="Bind a function import.")
@options.heap_size
@click.option("--apply", "applied", type=click.Path(path_type=Path), help="Write the image that was proven here.")
@options.json
def tune_command(
    app: Path,
    board_name: str,
    calls: tuple[str, ...],
    bindings: tuple[str, ...],
    heap_size: int,
    applied: Path | None,
    as_json: bool,
) -> None:
    """Find the smallest pools that some calls need, by running them in the simulator."""
    from insitu.commands import tune

    bound = dict(options.import_name(text) for text in bindings)
    found = tune.tune(app, boards.load_board(board_name), [tune.Call.parse(c) for c in calls], bound, heap_size)
    if applied is not None:
        write_file(applied, found.image)
    if as_json:
        click.echo(json.dumps(found.facts()))
        return
    Console().print(found.table())
    click.echo(f"insitu run {app} -b {board_name} {found.flags}")


@click.command("mem")
@click.option("-b", "--board", "board_name", help="A QEMU board with a flashed image: started and instantiated.")
@click.option("--port", help="A serial port with a MicroPython board that runs insitu.")
@click.option("--listen", is_flag=True, help="With --port: ask nothing, wait for what the program sends by itself.")
@click.option("--watch", is_flag=True, help="Again and again until interrupted.")
@options.json
def mem_command(board_name: str | None, port: str | None, listen: bool, watch: bool, as_json: bool) -> None:
    """Read back over serial how much of every pool of memory is in use."""
    from insitu.telemetry import ask

    if (board_name is None) == (port is None):
        raise click.UsageError("give either -b BOARD or --port PATH")
    if listen and port is None:
        raise click.UsageError("--listen goes with --port")
    if port is not None:
        (ask.listen if listen else ask.from_port)(port, watch=watch, as_json=as_json)
        return
    board = boards.load_board(board_name or "")
    data = flashed(board)
    image = read(data)
    imports = run.printers(image, [f"{module}.{name}" for module, name, kind, _ in image.imports if kind == "func"])
    with run.Session(board, data, imports=imports, flash_file=places.flash_file(board)) as session:
        ask.from_link(session.link, watch=watch, as_json=as_json)


@click.command("boards")
@options.json
def boards_command(as_json: bool) -> None:
    """List the boards."""
    all_boards = [boards.load_board(name) for name in boards.names()]
    rows = [{"name": b.name, "target": b.target, "description": b.description} for b in all_boards]
    _say(as_json, {"boards": rows}, "\n".join(f"{b.name:20} {b.target:12} {b.description}" for b in all_boards))


@click.command("firmware")
@options.board
@click.option("--frozen", is_flag=True, help="With the device package frozen in; built if it is not there.")
@options.json
def firmware_command(board_name: str, frozen: bool, as_json: bool) -> None:
    """Say where the board's QEMU firmware is; `make setup` builds the stock one."""
    board = boards.load_board(board_name)
    path = frozen_firmware(board) if frozen else stock_firmware(board)
    _say(as_json, {"board": board.name, "firmware": str(path)}, str(path))


COMMANDS = (
    build_command,
    inspect_command,
    flash_command,
    run_command,
    mem_command,
    tune_command,
    boards_command,
    firmware_command,
)
