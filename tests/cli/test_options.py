"""A cut or huge value in any option of any verb is refused with the range, and nothing is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from insitu.cli import verbs

from tests.cli.conftest import Command

MODULE = '(module (memory 1) (func (export "go")))'
ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
HUGE = 99999999999


def _numbers() -> Iterator[tuple[str, str, click.ParamType]]:
    for verb in verbs.VERBS:
        for parameter in verbs.load(verb).params:
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
    board = ["-b", "qemu_rv32"] if any("-b" in parameter.opts for parameter in verbs.load(verb).params) else []
    app = wasm(MODULE)
    for value in (HUGE, -1, kind.max + 1, -HUGE):
        done = insitu(verb, app, *board, f"{option}={value}")
        assert (done.status, done.out) == (2, ""), done
        assert f"{value} is not in the range {kind.min}<=x<={kind.max}" in done.err
    for text in ("", "12k", "0x", "1.5", "1e3"):
        done = insitu(verb, app, *board, f"{option}={text}")
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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--invke", "add", "2", "3"),
            "No such option: --invke; arguments that begin with a dash stand behind --. Did",
        ),
        (("--invoke", "add", "2", "-x"), "No such option: -x; arguments that begin with a dash stand behind --."),
        (("--invoke", "add", "2", "3", "--stak=5"), "Did you mean '--stack'?"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_unknown_option_is_no_argument(
    insitu: Command, wasm: Callable[..., Path], words: tuple[str, ...], says: str, first: bool
) -> None:
    app = wasm(ADD)
    done = insitu("run", "-b", "qemu_rv32", "--sim", *((*words, app) if first else (app, *words)))
    assert (done.status, done.out) == (2, "")
    assert says in done.err


@pytest.mark.parametrize(
    ("words", "result"),
    [(("-2", "3"), "1"), (("-0x10", "-1"), "-17"), (("--", "-2", "3"), "1"), (("2", "--", "-3"), "-1")],
)
def test_numbers_below_zero_are_arguments(
    insitu: Command, wasm: Callable[..., Path], words: tuple[str, ...], result: str
) -> None:
    done = insitu("run", wasm(ADD), "-b", "qemu_rv32", "--sim", "--invoke", "add", *words)
    assert (done.status, done.out) == (0, f"{result}\n"), done


def test_what_stands_behind_the_dashes_is_an_argument(insitu: Command, wasm: Callable[..., Path]) -> None:
    done = insitu("run", wasm(ADD), "-b", "qemu_rv32", "--sim", "--invoke", "add", "--", "2", "--stack")
    assert (done.status, done.err) == (1, "insitu: add: argument 2: '--stack' is not an integer\n")
