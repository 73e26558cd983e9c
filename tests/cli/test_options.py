"""A cut or huge value in any option of any verb is refused with the range, and nothing is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from insitu.cli import cli

from tests.cli.conftest import Command

MODULE = '(module (memory 1) (func (export "go")))'
HUGE = 99999999999


def _numbers() -> Iterator[tuple[str, str, click.ParamType]]:
    for verb, command in cli.commands.items():
        for parameter in command.params:
            kind = parameter.type
            if isinstance(parameter, click.Option) and kind.name.startswith(("integer", "float")):
                yield verb, parameter.opts[-1], kind


NUMBERS = list(_numbers())


def test_there_are_numbers_to_test() -> None:
    assert {("build", "--heap-size"), ("run", "--stack"), ("inspect", "--stack")} <= {row[:2] for row in NUMBERS}


@pytest.mark.parametrize(("verb", "option", "kind"), NUMBERS, ids=[f"{row[0]} {row[1]}" for row in NUMBERS])
def test_a_number_has_a_range(
    insitu: Command, wasm: Callable[..., Path], verb: str, option: str, kind: click.ParamType
) -> None:
    """Issue 7: build --heap-size 99999999999 wrapped to 1,215,753,216."""
    assert isinstance(kind, click.IntRange)
    assert kind.max is not None
    app = wasm(MODULE)
    for value in (HUGE, -1, kind.max + 1, -HUGE):
        done = insitu(verb, app, "-b", "qemu_rv32", f"{option}={value}")
        assert (done.status, done.out) == (2, ""), done
        assert f"{value} is not in the range {kind.min}<=x<={kind.max}" in done.err
    for text in ("", "12k", "0x", "1.5", "1e3"):
        done = insitu(verb, app, "-b", "qemu_rv32", f"{option}={text}")
        assert (done.status, done.out) == (2, ""), done
        assert f"{text!r} is not a valid integer" in done.err
    assert [path.name for path in app.parent.iterdir()] == ["app.wasm"]


@pytest.mark.parametrize("text", ["", "=", "env.f=", "=print", ".f=print", "env.=print", "f=print", "env.f"])
@pytest.mark.parametrize("verb", ["run", "tune"])
def test_an_import_that_is_cut(insitu: Command, wasm: Callable[..., Path], verb: str, text: str) -> None:
    done = insitu(verb, wasm(MODULE), "-b", "qemu_rv32", "--invoke", "go", f"--import={text}")
    assert (done.status, done.out) == (2, ""), done
    assert "it must be MOD.NAME=print" in done.err


def test_what_fits_the_range_but_no_memory(insitu: Command, wasm: Callable[..., Path]) -> None:
    app = wasm(MODULE)
    done = insitu("build", app, "-b", "qemu_rv32", "--heap-size", 0x3FFFFFFF)
    assert done.status == 1
    assert "bytes of linear memory with its app heap, the limit is" in done.err
    assert not app.with_suffix(".xip").exists()
