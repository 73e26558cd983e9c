"""`insitu report` on the command line: what it takes, what it writes, what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board

from tests.cli.conftest import Command, insitu, refused, wasm
from tests.report.test_facts import CALLS

__all__ = ["insitu", "wasm"]

ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'


def test_markdown_is_printed(insitu: Command, wasm: Callable[..., Path]) -> None:
    done = insitu("report", wasm(CALLS), "-b", "rpi_pico")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("# app.wasm\n")
    assert "Operand stack needed: not known: there is recursion." in done.out
    assert "### Recursion" in done.out
    assert "### Pools" not in done.out  # nothing ran


def test_several_boards_and_a_file(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    made = tmp_path / "report.json"
    done = insitu("report", wasm(ADD), "-b", "rpi_pico", "-b", "qemu_rv32", "--invoke", "add 2 3", "-o", made, "--json")
    assert made.read_text() == done.out.rstrip("\n")
    assert [(b["board"], b["calls"][0]["results"]) for b in done.json["boards"]] == [
        ("rpi_pico", [5]),
        ("qemu_rv32", [5]),
    ]


def test_an_image_is_taken_and_says_what_it_does_not_know(insitu: Command, tmp_path: Path) -> None:
    image = tmp_path / "app.xip"
    image.write_bytes(compile_wasm(bytes(wasmtime.wat2wasm(ADD)), load_board("rpi_pico").target))
    done = insitu("report", image, "-b", "rpi_pico")
    assert done.status == 0
    assert "Of an image alone a function is known up to where the next begins." in done.out
    assert "function 0 (add)" in done.out
    assert "### Deepest path" not in done.out


@pytest.mark.parametrize(
    "words",
    [(), ("--port", "/dev/none", "-b", "rpi_pico", "-b", "qemu_rv32"), ("-b", "rpi_pico", "--", "-O2")],
)
def test_usage(insitu: Command, wasm: Callable[..., Path], words: tuple[str, ...]) -> None:
    assert insitu("report", wasm(ADD), *words).status == 2


def test_what_cannot_be_done(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    app = wasm(ADD)
    report = ("report", app, "-b", "rpi_pico")
    refused(insitu(*report, "-o", "report.pdf"), "report.pdf: a report is written as .html, .json, .md")
    refused(insitu(*report, "-o", tmp_path / "no" / "a.md"), "No such file or directory")
    refused(insitu(*report, "--invoke", "sub 1 2"), 'no exported function "sub"; there are: add')
    refused(insitu(*report, "--compare", app), "app.wasm is no report that this insitu reads")
    refused(insitu("report", tmp_path / "none.wasm", "-b", "rpi_pico"), "none.wasm: No such file or directory")
    refused(insitu(*report, "--invoke", "add 1 2", "--stack", "64"), "an operand stack of 64 bytes is too small")
