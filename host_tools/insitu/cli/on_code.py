"""Verbs that say what an image's machine code was made of: explain, disasm."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from insitu.cli import options
from insitu.commands.disasm import disasm
from insitu.commands.explain import explain_text
from insitu.errors import printable
from insitu.explain.listing import text as listed


@click.command("explain")
@click.argument("file", type=click.Path(path_type=Path), help="The map that build wrote, .map, or the image beside it.")
@click.argument("text", nargs=-1, help="A code offset, a trap's text, or a line of Trap.dump(); else read from stdin.")
@options.json
def explain_command(file: Path, text: tuple[str, ...], as_json: bool) -> None:
    """Say what was running where a trap was: function, file and line, instruction, and the calls that led there."""
    found = explain_text(file, " ".join(text) or sys.stdin.read())
    options.say(as_json, asdict(found), "\n".join(found.lines()))


@click.command("disasm")
@click.argument("app", type=click.Path(path_type=Path), help="An image.")
@click.argument("mapped", required=False, metavar="[APP.map]", type=click.Path(path_type=Path), help="Its map.")
@click.option("--function", "names", multiple=True, metavar="NAME", help="Only this function; several.")
def disasm_command(app: Path, mapped: Path | None, names: tuple[str, ...]) -> None:
    """Show an image's machine code, with the module's instructions and the source beside it."""
    found = ["\n".join(map(printable, listed(listing))) for listing in disasm(app, mapped, names)]
    click.echo("\n\n".join(found))
