"""The table of verbs, each imported when it is asked for: what one does not need costs its user no time."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.abc import InspectLoader

import click

from insitu.cli import loudness


@dataclass(frozen=True, slots=True)
class Verb:
    """Attributes: module: in this package, its function is VERB_command; example: run where the tests say so."""

    module: str
    example: str


# The examples are in docs/reference/cli.md, too.
VERBS: Mapping[str, Verb] = {
    "build": Verb("on_host", "insitu build app.c -b rpi_pico"),
    "inspect": Verb("on_host", "insitu inspect app.xip"),
    "flash": Verb("on_device", "insitu flash app.wasm -b qemu_stm32f405"),
    "images": Verb("on_images", "insitu images -b qemu_stm32f405"),
    "keygen": Verb("on_images", "insitu keygen release.pem"),
    "sign": Verb("on_images", "insitu sign app.xip --key release.pem --name app --version 7 -o signed.xip"),
    "partition": Verb("on_device", "insitu partition -b esp32c3 --port /dev/ttyACM0 --erase-files"),
    "deploy": Verb("on_device", "insitu deploy --port /dev/ttyACM0"),
    "run": Verb("on_device", "insitu run app.xip -b rpi_pico --sim --invoke smooth 100"),
    "explain": Verb("on_code", "insitu explain app.map 0x104"),
    "disasm": Verb("on_code", "insitu disasm app.xip --function smooth"),
    "mem": Verb("memory", "insitu mem -b qemu_stm32f405"),
    "tune": Verb("on_host", 'insitu tune app.wasm -b rpi_pico --invoke "smooth 100"'),
    "report": Verb("footprint", "insitu report app.wasm -b rpi_pico -o report.html"),
    "budget": Verb("footprint", "insitu budget budget.toml"),
    "bind": Verb("on_host", "insitu bind app.wasm -b rpi_pico -o app.py"),
    "selftest": Verb("desk", "insitu selftest -b rpi_pico --sim --to report.json"),
    "mpy": Verb("on_modules", "insitu mpy crc.py -b qemu_stm32f405 -o crc.romfs"),
    "exec": Verb("on_modules", "insitu exec 'import sys; print(sys.version)' -b qemu_stm32f405"),
    "boards": Verb("on_boards", "insitu boards"),
    "firmware": Verb("on_boards", "insitu firmware -b qemu_stm32f405"),
}


class Verbs(click.Group):
    """The command `insitu`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in VERBS and cmd_name not in self.commands:
            self.add_command(load(cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        room = formatter.width - 6 - max(map(len, VERBS))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, click.Command(name, help=_help(name)).get_short_help_str(room)) for name in VERBS]
            )


@functools.cache
def load(name: str) -> click.Command:
    """The verb of that name."""
    verb = VERBS[name]
    command: click.Command = getattr(importlib.import_module(_module(verb)), _function(name))
    command.epilog = f"Example: {verb.example}"
    command.params += loudness.options()
    return command


def _module(verb: Verb) -> str:
    return f"insitu.cli.{verb.module}"


def _function(name: str) -> str:
    return f"{name}_command"


def _help(name: str) -> str | None:
    """The docstring of a verb's function, which is read and not imported."""
    module = _module(VERBS[name])
    spec = importlib.util.find_spec(module)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        return None
    tree = ast.parse(spec.loader.get_source(module) or "")
    return next(
        ast.get_docstring(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == _function(name)
    )
