"""Options that several verbs have, and the ranges of all numbers on the command line."""

from __future__ import annotations

import contextlib
import difflib
import functools
import json as _json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from insitu.aot.automatic import Automatic
from insitu.aot.window import PAGE as FAR_PAGE
from insitu.aot.window import PAGES as FAR_PAGES
from insitu.aot.window import Wanted, parse
from insitu.board import boards
from insitu.board.record import Board
from insitu.cli.loudness import remark
from insitu.port.update.images import MOST_STARTS
from insitu.port.xip import layout

_MOST_BYTES = 0x3FFFFFFF  # a small int of the device, which has 31 bits
BYTES = click.IntRange(0, _MOST_BYTES)
SOME_BYTES = click.IntRange(1, _MOST_BYTES)  # of what cannot be empty
PAGES = click.IntRange(0, layout.MOST_PAGES * layout.PAGE_SIZE)  # a page has 64 KiB, or 1 byte

board = click.option("-b", "--board", "board_name", required=True, help="A name that `insitu boards` shows, or a file.")
maybe_board = click.option("-b", "--board", "board_name", help="As `insitu boards` shows it, or a file.")
port = click.option("--port", help="The board's serial port: a device, socket://HOST:PORT; its emulator unless given.")
app = click.argument("app", type=click.Path(path_type=Path), help="APP.wasm; flash and run take its image, too.")
json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
WORD = click.IntRange(0, 0xFFFFFFFF)
version = click.option("--version", type=WORD, help="Of the image; one more than the newest unless given.")
starts = click.option(
    "--starts",
    type=click.IntRange(0, MOST_STARTS),
    default=0,
    help="On trial: after so many starts without Images.confirm() the previous image is taken again.",
)
key = click.option("--sign", "key", type=click.Path(path_type=Path), help="A private key of `insitu keygen`.")
heap_size = click.option("--heap-size", type=BYTES, default=0, help="Bytes of the app heap, in linear memory.")


class _Window(click.ParamType[Wanted | Automatic]):
    """Which part of linear memory is to be RAM from the start."""

    name = "window"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Wanted | Automatic:
        if isinstance(value, (Wanted, Automatic)):
            return value
        if value == "auto":
            return Automatic()
        try:
            found = parse(str(value))
        except ValueError:
            self.fail(f"{value!r}: give SIZE or LOW:HIGH, addresses in bytes, or auto", param, ctx)
        BYTES(found.high, param, ctx)
        return found


_window = click.option(
    "--window",
    type=_Window(),
    metavar="SIZE|LOW:HIGH|auto",
    help="Bytes of linear memory that are RAM, from 0 or LOW on; the rest comes when written.",
)
_far_page = click.option(
    "--far-page",
    type=click.Choice([str(page) for page in FAR_PAGES]),
    help=f"With --window: so many bytes come when one of them is written; {FAR_PAGE} unless given.",
)


def window(command: Callable[..., Any]) -> Callable[..., Any]:
    """--window and --far-page, together as `window`, which may be None."""

    @functools.wraps(command)
    def wrapped(*args: Any, window: Wanted | Automatic | None, far_page: str | None, **kwargs: Any) -> Any:
        if far_page is not None:
            if window is None:
                raise click.UsageError("--far-page goes with --window")
            window = replace(window, page=int(far_page))
        return command(*args, window=window, **kwargs)

    return _window(_far_page(wrapped))


class WithArguments(click.Command):
    """A command with `arguments` for the program `app`, which may be negative numbers.

    Any other word with a dash is an option, and refused if there is none of that name; behind -- all are arguments.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        behind = len(args) - args.index("--") - 1 if "--" in args else 0
        rest = super().parse_args(ctx, args)
        words = [str(ctx.params["app"]), *ctx.params["arguments"]]
        for word in words[: len(words) - behind]:
            if word.startswith("-") and not _is_number(word):
                self._refuse(word.partition("=")[0], ctx)
        return rest

    def _refuse(self, name: str, ctx: click.Context) -> None:
        known = [option for parameter in self.get_params(ctx) for option in parameter.opts]
        text = f"No such option: {name}; arguments that begin with a dash stand behind --."
        raise click.NoSuchOption(name, text, difflib.get_close_matches(name, known, 1), ctx)


def _is_number(word: str) -> bool:
    for kind in (float, lambda text: int(text, 0)):
        with contextlib.suppress(ValueError):
            kind(word)
            return True
    return False


def find_board(name: str | None, port: str | None) -> Board:
    """The board called name, or the one that is at port."""
    if port is not None:
        from insitu.session.which import board_at  # with all that talks to boards

        return board_at(port, name)
    if name is None:
        raise click.UsageError("give -b BOARD, or --port with a board that insitu knows")
    return boards.load_board(name)


def say(as_json: bool, record: dict[str, Any], text: str) -> None:
    """The result, for a program or for a person."""
    click.echo(_json.dumps(record) if as_json else text)


def done(as_json: bool, record: dict[str, Any], text: str) -> None:
    """What was made or written: for a person it is a remark."""
    if as_json:
        click.echo(_json.dumps(record))
    else:
        remark(text)
