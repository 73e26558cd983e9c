"""A profile on a board: of two loops that differ by their turns alone, and of recursion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from insitu.board import boards
from insitu.explain.code_map import read_map
from insitu.explain.samples import sampled

from tests.cli.conftest import Command, refused

# Functions of an import and of each other; the loop is too long to be inlined twice.
_LOOP = """(func $%s (param $n i32) (result i32) (local $x i32)
  (loop $again
    (local.set $x (i32.rem_u (i32.mul (i32.add (local.get $x) (i32.const 12345)) (i32.const 69621)) (i32.const 7919)))
    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (br_if $again (local.get $n)))
  (local.get $x))"""
_TEXT = f"""(module {_LOOP % "much"} {_LOOP % "little"}
  (func (export "run") (param i32) (result i32)
    (i32.add (call $much (i32.mul (local.get 0) (i32.const 4))) (call $little (local.get 0)))))"""
_BOARD = "qemu_stm32f405"


@pytest.mark.qemu
def test_turns_are_where_the_loops_are(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    """The firmware has no clock. With one, on the emulated Pico, it was tried by hand: tests take a minute there."""
    app, made = wasm(_TEXT), tmp_path / "app.json"
    run = ("run", app, "-b", _BOARD, "--invoke", "run", 400_000, "--profile", made)
    done = insitu(*run, "--json")
    assert done.status == 0, done
    rows = {name: (own, whole) for name, own, whole in done.json["turns"]}
    assert 3 < rows["much"][0] / rows["little"][0] < 5
    assert rows["run"][1] == sum(own for own, _ in rows.values())
    (profile,) = json.loads(made.read_text())["profiles"]
    assert (profile["unit"], profile["endValue"]) == ("none", rows["run"][1])
    assert insitu("build", app, "-b", _BOARD).status == 0
    refused(insitu(run[0], app.with_suffix(".xip"), *run[2:]), "a board's profile is of where code polls: ")


def test_what_is_no_stack_of_the_map(insitu: Command, wasm: Callable[..., Path]) -> None:
    app = wasm(_TEXT)
    assert insitu("build", app, "-b", _BOARD).status == 0
    known = read_map(app, app.with_suffix(".map").read_bytes())
    found = sampled(known, f"20 insitu-trap {known.crc ^ 1:08x} 14 10\n30 \n")
    assert found == {("(another module)",): 20, ("(stacks that the board had no room for)",): 30}
    assert boards.load_board(_BOARD).target == known.target
