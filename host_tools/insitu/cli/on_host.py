"""Verbs that need no board: build, inspect, tune, bind."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from insitu import toolchain
from insitu.aot.automatic import Automatic
from insitu.aot.efforts import MOST, SIZE, SPEED
from insitu.aot.options import Options
from insitu.aot.targets import target
from insitu.aot.window import Wanted
from insitu.board import boards
from insitu.board.record import Board
from insitu.cli import given, options
from insitu.cli.given import Told
from insitu.cli.loudness import remark
from insitu.commands import find_window, inspect, tune
from insitu.commands.bind import bind
from insitu.commands.build import build, built, check_output, compile_source, is_image, read_file, write_file
from insitu.commands.explain import SUFFIX as MAP_SUFFIX
from insitu.errors import InsituError
from insitu.flash.write import check_fits
from insitu.toolchain import LANGUAGES


@click.command("build")
@click.argument("app", type=click.Path(path_type=Path), help="A module, or its source.")
@options.board
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The image; APP.xip unless given.")
@options.heap_size
@options.window
@click.option(
    "--interruptible", is_flag=True, help="Calls can be stopped wherever they are; for about 4% more instructions."
)
@click.option(
    "--optimise",
    type=click.Choice([SPEED, MOST, SIZE]),
    default=SPEED,
    show_default=True,
    help="What the code is to be: fast; fast, and more is tried for it; or small, from its source on.",
)
@click.option("--no-cache", is_flag=True, help="Build it anew, also if the same was built before.")
@click.option("--aux-stack-size", type=options.BYTES, help="Refuse a module whose aux stack is smaller.")
@click.option("--export", "exports", multiple=True, metavar="NAME", help="A function of a source to export, too.")
@options.json
@click.argument("flags", nargs=-1, type=click.UNPROCESSED, metavar="[-- FLAG...]", help="For the compiler.")
def build_command(
    app: Path,
    board_name: str,
    output: Path | None,
    heap_size: int,
    window: Wanted | Automatic | None,
    interruptible: bool,
    optimise: str,
    no_cache: bool,
    aux_stack_size: int | None,
    exports: tuple[str, ...],
    as_json: bool,
    flags: tuple[str, ...],
) -> None:
    """Compile APP to an image for a board: a module, APP.wasm, or its source, .c, .cpp, .zig or .wat.

    Of a source, the module is written beside the image. FLAGS are for its compiler.
    """
    if app.suffix not in LANGUAGES and (exports or flags):
        raise click.UsageError(f"--export and flags are for the compiler of a source, and {app} is none")
    board = boards.load_board(board_name)
    source = read_file(app)
    made, module = output or app.with_suffix(".xip"), app
    if app.suffix not in LANGUAGES and is_image(source):
        raise InsituError(f"{app} is an image already: build wants the .wasm file, or its source")
    check_output(made, app)
    if app.suffix in LANGUAGES:
        module = made.parent / f"{made.stem}.wasm"
        if module == made:
            raise InsituError(f"{made} is where the module goes: give the image another name")
        unroll = target(board.target).unroll
        command = compile_source(app, module, exports, flags, small=optimise == SIZE, unroll=unroll)
        remark(toolchain.shown(command), err=as_json)
    found = built(
        module,
        board,
        Options(app_heap=heap_size, window=window, interruptible=interruptible, optimise=optimise),
        cached=not no_cache,
    )
    data, code_map, mapped = found.image, found.map(), made.with_suffix(MAP_SUFFIX)
    check_fits(data, board)
    facts = inspect.image_facts(data)
    if aux_stack_size is not None:
        inspect.check_aux_stack(facts, aux_stack_size)
    write_file(made, data)
    if code_map is not None and mapped != made:
        write_file(mapped, code_map)
    text = (
        f"{made}: {len(data)} bytes for {board.name} ({board.target}), {facts['code_bytes']} of them code; "
        f"linear memory {facts['linear_memory']} bytes ({facts['linear_memory_note']})"
    )
    if facts["linear_memory_hint"]:
        text += f"\n{facts['linear_memory_hint']}"
    options.done(as_json, {"output": str(made), "board": board.name, **facts}, text)


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path), help="A module, .wasm, or an image, .xip.")
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
    options.say(as_json, facts, inspect.text(facts))


@click.command("tune")
@options.app
@options.maybe_board
@options.port
@click.option("--on-board", is_flag=True, help="Run the calls on the board or its emulator, not in the simulator.")
@click.option("--invoke", "calls", multiple=True, required=True, metavar="'NAME ARG ...'", help="A call to make.")
@given.options
@options.heap_size
@click.option("--window", is_flag=True, help="Find the window on linear memory that takes the least RAM, instead.")
@click.option(
    "--slowdown",
    type=click.IntRange(0, 100_000),
    default=50,
    show_default=True,
    metavar="PERCENT",
    help="With --window: so many more instructions than without one are allowed.",
)
@click.option("--apply", "applied", type=click.Path(path_type=Path), help="Write the image that was proven here.")
@options.json
def tune_command(
    app: Path,
    board_name: str | None,
    port: str | None,
    on_board: bool,
    calls: tuple[str, ...],
    told: Told,
    heap_size: int,
    window: bool,
    slowdown: int,
    applied: Path | None,
    as_json: bool,
) -> None:
    """Find the smallest pools that some calls need, by running them."""
    if window and (applied is not None or on_board or heap_size):
        raise click.UsageError("--window goes without --apply, --on-board and --heap-size")
    if applied is not None:
        check_output(applied, app)
    if port is not None and not on_board:
        raise click.UsageError("--port goes with --on-board")
    board = options.find_board(board_name, port)
    place = tune.Place(sim=not on_board, port=port)
    parsed = [tune.Call.parse(call) for call in calls]
    things = told.given(board)
    if window:
        windows = find_window.find(app, board, parsed, told.bindings, slowdown, things, told.timeout)
        _tune_window(windows, app, board, as_json)
        return
    found = tune.tune(app, board, parsed, told.bindings, heap_size, place, things, told.timeout)
    if applied is not None:
        write_file(applied, found.image)
    if as_json:
        click.echo(json.dumps(found.facts()))
        return
    Console().print(found.table())
    where = (
        ["-b", board_name or board.name]
        if port is None
        else [*(["-b", board_name] if board_name else []), "--port", port]
    )
    here = [] if on_board else ["--sim"]
    call = [f"--invoke={parsed[0].export}", "--", *parsed[0].arguments]
    words = [*where, *here, *found.flags.split(), *told.words, *call]
    remark(shlex.join(["insitu", "run", str(applied or app), *words]))


def _tune_window(found: find_window.Found, app: Path, board: Board, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.facts()))
        return
    Console().print(found.table())
    if found.far:
        kinds = ", ".join(f"{size:,} bytes of {what}" for what, size in found.far.items())
        remark(f"far, and not 0 in the end: {kinds}")
    remark(shlex.join(["insitu", "build", str(app), "-b", board.name, *found.best.flags()]))


@click.command("bind")
@options.app
@options.board
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The module, X.py; X.pyi beside it."
)
@click.option(
    "--declare", "declaration", type=click.Path(path_type=Path), help="A .toml file: which pairs are bytes, str."
)
@click.option(
    "--invoke", "calls", multiple=True, metavar="'NAME ARG ...'", help="A call to size the pools by, as tune."
)
@click.option("--async", "awaited", is_flag=True, help="Its functions are awaited, and what it imports may be.")
@given.options
@options.heap_size
@options.json
def bind_command(
    app: Path,
    board_name: str,
    output: Path,
    declaration: Path | None,
    calls: tuple[str, ...],
    awaited: bool,
    told: Told,
    heap_size: int,
    as_json: bool,
) -> None:
    """Write a MicroPython module with a function for each export of APP.wasm, and its types for editors."""
    board = boards.load_board(board_name)
    pools = bind(
        app,
        board,
        output,
        declaration=declaration,
        calls=[tune.Call.parse(call) for call in calls],
        bindings=told.bindings,
        given=told.given(board),
        timeout=told.timeout,
        app_heap=heap_size,
        awaited=awaited,
    )
    stub = output.with_suffix(".pyi")
    text = f"{output}, {stub}: a global heap of {pools.heap} bytes, {pools.stack} of them for the operand stack"
    options.done(as_json, {"output": str(output), "stub": str(stub), **asdict(pools)}, text)
