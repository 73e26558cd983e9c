"""Verbs that have to do with a board, its emulator or a serial port: flash, partition, deploy, run."""

from __future__ import annotations

import codecs
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.table import Table

from insitu import places
from insitu.aot.options import Options
from insitu.board import boards
from insitu.board.record import Board
from insitu.cli import given, options
from insitu.cli.given import Told
from insitu.cli.loudness import remark
from insitu.cli.on_images import flash_named
from insitu.commands import deploy as deploying
from insitu.commands.build import build, built, check_output, is_image, read_file, write_file
from insitu.commands.explain import explaining
from insitu.commands.partition import partition
from insitu.commands.profile import profiled
from insitu.errors import InsituError, printable
from insitu.explain.profile import Profile
from insitu.flash import WRITERS, file
from insitu.flash.modules import flash_modules, kind_of
from insitu.flash.romfs import in_flash
from insitu.flash.store import check_overwrites_nothing
from insitu.flash.write import Flashed, check_fits, flash
from insitu.flash.writer import Over
from insitu.image.read import read
from insitu.link.printed import Say
from insitu.package.deploy import METHODS
from insitu.session import session as run
from insitu.session import values
from insitu.session.given import bind
from insitu.telemetry import ask

_DEPLOY_HELP = "How the device package gets there; the way that costs the board the least unless given."


@click.command("flash")
@options.app
@options.maybe_board
@options.port
@click.option("--writer", type=click.Choice(list(WRITERS)), help="How to write; the board's best unless given.")
@click.option("--to", "made", type=click.Path(path_type=Path), help="Write a .bin, .dfu, .hex or .uf2 file, no board.")
@click.option("--name", help="Beside others, for rt.load(NAME); `insitu images` lists them.")
@options.version
@options.starts
@options.key
@options.json
def flash_command(
    app: Path,
    board_name: str | None,
    port: str | None,
    writer: str | None,
    made: Path | None,
    name: str | None,
    version: int | None,
    starts: int,
    key: Path | None,
    as_json: bool,
) -> None:
    """Put an image, or modules that `insitu mpy` made, into a board's flash and verify it there, or make a file.

    With --name it gets a place of its own, and what had that name stays until the next but one comes.
    """
    if name is not None:
        if made is not None or writer is not None:
            raise click.UsageError("--name goes without --to and --writer")
        flash_named(app, options.find_board(board_name, port), port, (name, version, starts, key), as_json)
        return
    if version is not None or starts or key is not None:
        raise click.UsageError("--version, --starts and --sign go with --name")
    if made is not None and (port is not None or writer is not None):
        raise click.UsageError("--to writes a file: no --port and no --writer go with it")
    board = options.find_board(board_name, port)
    found = read_file(app)
    if kind := kind_of(app.suffix, found):
        if made is not None or writer is not None:
            raise click.UsageError(f"no --to and no --writer go with a {kind} file")
        _say_flashed(board.name, flash_modules(kind, found, board, port=port), as_json)
        return
    data, address = build(app, board), board.image.address
    if made is not None:
        check_fits(data, board)
        check_output(made, app)
        if board.in_rom_partition:
            address, data = in_flash(board, data)
        _make_file(made, board, address, data, as_json)
        return
    if writer is None or WRITERS[writer].over is Over.LINK:
        check_overwrites_nothing(board, port, data)
    _say_flashed(board.name, flash(data, board, port=port, writer=writer), as_json)


def _make_file(made: Path, board: Board, address: int, data: bytes, as_json: bool) -> None:
    write_file(made, file.make(made, board, address, data))
    record = {"board": board.name, "address": address, "size": len(data), "output": str(made)}
    options.done(as_json, record, f"{made}: {len(data)} bytes for {address:#010x} of {board.name}, not written yet")


def _say_flashed(board: str, done: Flashed, as_json: bool) -> None:
    how = f"read back with CRC {done.crc:#010x}" if done.read_back else "taken by the boot loader, not read back"
    text = f"{board}: {done.size} bytes at {done.address:#010x} by {done.writer}, {how}"
    options.done(as_json, {"board": board, **asdict(done)}, text)


@click.command("partition")
@options.board
@click.option("--port", help="The board's serial port; esptool looks for it unless given.")
@click.option("--remove", is_flag=True, help="Give the file system back what images had.")
@click.option("--erase-files", is_flag=True, help="Yes, the files on the board may go.")
@options.json
def partition_command(board_name: str, port: str | None, remove: bool, erase_files: bool, as_json: bool) -> None:
    """Make a partition for images in an ESP32's flash, by esptool. The files on the board are erased."""
    if not erase_files:
        raise InsituError("this erases all files on the board: copy them (mpremote cp -r), then give --erase-files")
    done = partition(boards.load_board(board_name), port, remove=remove)
    rows = [f"{row.label:16} {row.size:#8x} bytes at {row.offset:#8x}" for row in done.rows]
    options.done(as_json, asdict(done), "\n".join([f"{done.board}: the flash is divided into", *rows]))


@click.command("deploy")
@options.maybe_board
@options.port
@click.option("--method", type=click.Choice(deploying.STAYS), help=_DEPLOY_HELP)
@click.option("--to", "made", type=click.Path(path_type=Path), help="Write its code for flash into a file; no board.")
@options.json
def deploy_command(
    board_name: str | None, port: str | None, method: str | None, made: Path | None, as_json: bool
) -> None:
    """Put the device package `insitu` onto a board, to stay there.

    Its code goes into flash apart from its files where the board has a place for it. What no serial line writes is
    written first, by a programmer or a boot loader that takes the .bin, .dfu, .hex or .uf2 file that --to makes.
    """
    if made is not None and (port is not None or method is not None):
        raise click.UsageError("--to writes a file: no --port and no --method go with it")
    board = options.find_board(board_name, port)
    if made is not None:
        _make_file(made, board, *deploying.code_of(board), as_json)
        return
    done = deploying.deploy(board, port=port, method=method)
    text = (
        f"{done.board}: the package is there ({done.method}): {done.flash_bytes} bytes of flash, "
        f"{done.ram_bytes} bytes of MicroPython's heap once it is imported{done.note and '; '}{done.note}"
    )
    options.done(as_json, asdict(done), text)


@click.command("run", cls=options.WithArguments, context_settings={"ignore_unknown_options": True})
@options.app
@options.maybe_board
@options.port
@click.option("--invoke", "export", default="_start", show_default=True, help="The exported function to call.")
@click.option("--heap", type=options.SOME_BYTES, help="Bytes of the global heap; the board's unless given.")
@click.option("--stack", type=options.SOME_BYTES, default=2048, show_default=True, help="Bytes of the operand stack.")
@options.heap_size
@click.option("--initial-memory", type=options.PAGES, help="Pages of linear memory at first, as it counts them.")
@click.option("--max-memory", type=options.PAGES, help="Pages of linear memory at most.")
@click.option("--deploy", type=click.Choice(list(METHODS)), help=_DEPLOY_HELP)
@click.option("--sim", is_flag=True, help="Run on the simulated CPU, without MicroPython.")
@click.option("--mem", is_flag=True, help="Show the pools of memory after the call, too.")
@click.option("--trace", is_flag=True, help="Print the call and those of imports, with arguments and results.")
@click.option("--profile", type=click.Path(path_type=Path), metavar="FILE.json", help="Where the time goes; see below.")
@given.options
@options.json
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, help="What the export, or the program, is given.")
def run_command(
    app: Path,
    board_name: str | None,
    port: str | None,
    export: str,
    heap: int | None,
    stack: int,
    heap_size: int,
    initial_memory: int | None,
    max_memory: int | None,
    deploy: str | None,
    sim: bool,
    mem: bool,
    trace: bool,
    profile: Path | None,
    told: Told,
    as_json: bool,
    arguments: tuple[str, ...],
) -> None:
    """Run an export of an image on a board, in place, and print its results, one a line.

    ARGUMENTS are the export's; of a WASI program, which is what _start runs, they are the program's.

    --profile shows instructions by function, of a board microseconds, sampled where the module polls, or turns of loops
    where the board has no clock; and it writes a flame graph for https://www.speedscope.app.
    """
    if sim and port is not None:
        raise click.UsageError("--sim and --port exclude each other")
    board = options.find_board(board_name, port)
    made = built(app, board, Options(app_heap=heap_size, interruptible=True))
    data = made.image
    knobs = {"heap_size": heap_size, "initial_memory": initial_memory, "max_memory": max_memory}
    image = read(data)
    passed, things = run.understand(image, export, arguments, told.given(board))
    session = run.Session(
        board,
        data,
        imports=bind(image, told.bindings),
        heap=heap or 0,
        stack=stack,
        knobs=knobs,
        deploy=deploy,
        flash_file=places.flash_file(board),
        port=port,
        sim=sim,
        given=things,
        timeout=told.timeout,
        trace=trace,
        say=_echo(sys.stderr if as_json else sys.stdout),
    )
    with explaining(app, made), session, profiled(session, app, made, profile) as counted:
        _, results = session.invoke(export, passed)
        pools = ask.snapshot(session.link) if mem else None
    typed = list(zip(run.export_type(image, export)[1], results, strict=True))
    if as_json:
        shown: dict[str, object] = {"results": [values.plain(*result) for result in typed]}
        shown |= {} if pools is None else {"memory": pools}
        shown |= {} if counted is None else {counted.unit: counted.rows()}
        click.echo(json.dumps(shown))
        return
    for letter, result in typed:
        click.echo(values.text(letter, result))
    if counted is not None:
        Console().print(_profile(counted))
    if pools is not None:
        Console().print(ask.table(pools))
        if not is_image(read_file(app)):
            call = shlex.join([export, *arguments])
            words = ["insitu", "tune", str(app), "-b", board_name or board.name, *told.words, f"--invoke={call}"]
            remark(shlex.join(words))


def _profile(counted: Profile) -> Table:
    table = Table("function", counted.unit, "%", "with what it called", box=None)
    rows = counted.rows()
    whole = sum(own for _, own, _ in rows)
    for name, own, inclusive in rows:
        table.add_row(printable(name), str(own), f"{100 * own / max(whole, 1):.1f}", str(inclusive))
    return table


def _echo(stream: TextIO) -> Say:
    """Writes what a program prints onto a stream, as it comes."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def say(data: bytes) -> None:
        stream.write(decoder.decode(data))
        stream.flush()

    return say
