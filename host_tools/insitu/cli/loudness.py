"""How much a command says of what it does: options -q and -v, bars, remarks."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from insitu import steps

if TYPE_CHECKING:
    from rich.progress import Progress


class Loudness:
    """Attributes: quiet: nothing but results and errors; verbose: each step, once it is done, with its seconds."""

    def __init__(self) -> None:
        self.quiet = self.verbose = False
        self._bars: Progress | None = None

    @contextlib.contextmanager
    def heard(self, what: str) -> Iterator[steps.Progress]:
        """A listener of steps: a bar on stderr for each where that is a terminal."""
        began = time.monotonic()
        if self.quiet or not sys.stderr.isatty():
            try:
                yield lambda done, whole: None
            finally:
                self._took(what, began)
            return
        with self._shown() as bars:
            task = bars.add_task(what, total=None)
            try:
                yield lambda done, whole: bars.update(task, completed=done, total=whole)
            finally:
                bars.remove_task(task)
                self._took(what, began)

    def _took(self, what: str, began: float) -> None:
        if not self.verbose:
            return
        text = f"{what}: {time.monotonic() - began:.1f} s"
        if self._bars is None:
            click.echo(text, err=True)
        else:
            self._bars.console.out(text, highlight=False)

    @contextlib.contextmanager
    def _shown(self) -> Iterator[Progress]:
        """One display for all steps that lie in each other: a terminal has room for one."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        if self._bars is not None:
            yield self._bars
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            self._bars = bars
            try:
                yield bars
            finally:
                self._bars = None


def _of(context: click.Context) -> Loudness:
    return context.ensure_object(Loudness)


def _quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    _of(context).quiet |= value


def _verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    _of(context).verbose |= value


def options() -> list[click.Parameter]:
    """-q and -v, which every command has, in front of its name or behind it."""
    quiet = "Say nothing but results and errors."
    verbose = "Say what is being done, and how long it took."
    return [
        click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=_quiet, help=quiet),
        click.Option(["-v", "--verbose"], is_flag=True, expose_value=False, callback=_verbose, help=verbose),
    ]


def remark(text: str, *, err: bool = False) -> None:
    """What a person may want to know besides the result. err: on stderr."""
    if not _of(click.get_current_context()).quiet:
        click.echo(text, err=err)
