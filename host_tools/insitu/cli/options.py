"""Options that several verbs have, and the ranges of all numbers on the command line."""

from __future__ import annotations

import click

from insitu.port.xip import layout

_MOST_BYTES = 0x3FFFFFFF  # a small int of the device, which has 31 bits
BYTES = click.IntRange(0, _MOST_BYTES)
SOME_BYTES = click.IntRange(1, _MOST_BYTES)  # of what cannot be empty
PAGES = click.IntRange(0, layout.MOST_PAGES)  # of 64 KiB

board = click.option("-b", "--board", "board_name", required=True, help="A name that `insitu boards` shows, or a file.")
json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
heap_size = click.option("--heap-size", type=BYTES, default=0, help="Bytes of the app heap, in linear memory.")


def import_name(text: str) -> tuple[str, str]:
    """MOD.NAME=VALUE as its two parts; MOD may have dots."""
    name, _, value = text.rpartition("=")
    module, _, field = name.rpartition(".")
    if not module or not field or not value:
        raise click.BadParameter(f"{text!r}: it must be MOD.NAME=print or MOD.NAME=NUMBER", param_hint="--import")
    return name, value
