"""What a program is given besides its calls, on the command line: options that run, mem and tune have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from insitu.board.record import Board
from insitu.commands.build import build
from insitu.session.given import Given, read_functions

_OPTIONS = (
    click.option(
        "--import", "bindings", multiple=True, metavar="MOD.NAME=print|NUMBER", help="Bind a function import."
    ),
    click.option(
        "--import-from",
        "functions",
        type=click.Path(path_type=Path),
        metavar="FILE.py",
        help="Bind what FILE.py defines, which runs on the board: imports = {MOD: {NAME: function}}.",
    ),
    click.option("--module", "modules", multiple=True, metavar="NAME=FILE", help="Link a module, before APP, as NAME."),
    click.option("--env", "environment", multiple=True, metavar="NAME=VALUE", help="WASI: an environment variable."),
    click.option("--dir", "folders", multiple=True, metavar="PATH[::NAME]", help="WASI: a folder of the board's."),
    click.option(
        "--timeout",
        type=click.IntRange(1, 86400),
        default=30,
        show_default=True,
        help="Seconds that a call may print nothing for.",
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """Attributes: bindings: of --import; timeout: in seconds; words: the options again, for a command to paste."""

    bindings: dict[str, str]
    functions: Path | None
    modules: dict[str, str]
    environment: dict[str, str]
    folders: dict[str, str]
    timeout: int

    def given(self, board: Board) -> Given:
        """With the files read, and the modules built for the board. Raises InsituError."""
        return Given(
            functions=read_functions(self.functions) if self.functions else "",
            modules=tuple((name, build(Path(path), board)) for name, path in self.modules.items()),
            environment=self.environment,
            folders=self.folders,
        )

    @property
    def words(self) -> list[str]:
        words = [f"--import={name}={value}" for name, value in self.bindings.items()]
        words += [f"--import-from={self.functions}"] if self.functions else []
        words += [f"--module={name}={path}" for name, path in self.modules.items()]
        words += [f"--env={name}={value}" for name, value in self.environment.items()]
        return words + [f"--dir={path}::{name}" for name, path in self.folders.items()]


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets them as one argument, told."""

    @functools.wraps(command)
    def collected(
        bindings: tuple[str, ...],
        functions: Path | None,
        modules: tuple[str, ...],
        environment: tuple[str, ...],
        folders: tuple[str, ...],
        timeout: int,
        **others: Any,
    ) -> None:
        told = Told(
            dict(map(_import, bindings)),
            functions,
            dict(_named(text, "--module") for text in modules),
            dict(_named(text, "--env") for text in environment),
            dict(map(_folder, folders)),
            timeout,
        )
        command(told=told, **others)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected


def _import(text: str) -> tuple[str, str]:
    """MOD.NAME=VALUE as its two parts; MOD may have dots."""
    name, _, value = text.rpartition("=")
    module, _, field = name.rpartition(".")
    if not module or not field or not value:
        raise click.BadParameter(f"{text!r}: it must be MOD.NAME=print or MOD.NAME=NUMBER", param_hint="--import")
    return name, value


def _named(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r}: it must be NAME=..., with a name", param_hint=option)
    return name, value


def _folder(text: str) -> tuple[str, str]:
    """PATH[::NAME] as name and path."""
    path, _, name = text.partition("::")
    if not path:
        raise click.BadParameter(f"{text!r}: it must be PATH or PATH::NAME", param_hint="--dir")
    return name or path, path
