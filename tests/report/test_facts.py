"""What a report says is so: every byte of the image once, the stack's sums, what the calls used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from insitu.aot import compile_module, compile_wasm
from insitu.aot.options import Options
from insitu.board.boards import load_board
from insitu.commands.report import make, read_report, write_report
from insitu.errors import InsituError
from insitu.image.parts import FUNCTIONS, Part, covered, parts
from insitu.image.read import read
from insitu.report.code import code_parts
from insitu.report.metrics import metrics, side_by_side
from insitu.report.stack import stack_facts

from tests.report.conftest import FIR

BOARD = load_board("qemu_mps2_an385")
# a and b call each other, c itself; the way through d takes the more stack.
CALLS = """(module (memory 1)
  (func $a (param i32) (result i32) (if (result i32) (local.get 0) (then (call $b (local.get 0))) (else (i32.const 1))))
  (func $b (param i32) (result i32) (i32.mul (call $a (i32.sub (local.get 0) (i32.const 1))) (i32.const 3)))
  (func $c (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.mul (local.get 0) (call $c (i32.load (local.get 0))))) (else (i32.const 1))))
  (func (export "run") (param i32) (result i32) (i32.add (call $a (local.get 0)) (call $c (local.get 0)))))"""


def test_all_bytes_of_the_image_are_somewhere(demo: Any) -> None:
    flash = demo["boards"][0]["flash"]
    assert sum(flash["kinds"].values()) == sum(part["bytes"] for part in flash["parts"]) == flash["image"]
    assert "not known" not in {part["name"] for part in flash["parts"]}


def test_functions_are_those_of_the_source(demo: Any) -> None:
    lines = FIR.read_text().splitlines()
    places = {p["name"]: p["source"] for p in demo["boards"][0]["flash"]["parts"] if "source" in p}
    for name in ("init", "process"):
        (place,) = [place for known, place in places.items() if f"({name})" in known]
        assert f" {name}(" in f" {lines[int(place.rpartition(':')[2]) - 1]}"


def test_an_image_alone_has_the_same_functions(demo: Any) -> None:
    """Where each begins the tables say; behind the last one nobody knows how long it is."""
    wasm = bytes(wasmtime.wat2wasm(CALLS))
    made = compile_module(wasm, BOARD.target)
    whole, alone = parts(read(made.image), code_parts(made)), parts(read(made.image))
    assert sum(part.size for part in alone) == len(made.image)
    assert {p.offset for p in alone if p.kind == FUNCTIONS} == {
        p.offset for p in whole if p.kind == FUNCTIONS and p.index >= 0
    }


def test_gaps_and_overlaps() -> None:
    found = covered([Part(4, 4, "k", "a"), Part(6, 4, "k", "b")], 0, 12, lambda at, size: Part(at, size, "gap", "-"))
    assert [(p.offset, p.size, p.name) for p in found] == [(0, 4, "-"), (4, 4, "a"), (8, 2, "b"), (10, 2, "-")]


def test_the_deepest_path_is_the_stack_that_is_needed(demo: Any) -> None:
    stack = demo["boards"][0]["stack"]
    whole = sum(step["bytes"] for step in stack["path"]) + stack["guard"]
    assert (whole + 7) & ~7 == stack["needed"]
    assert [step["function"] for step in stack["path"][:3]] == ["entry stub", "thunk", "function 3 (process)"]


def test_recursion_is_named() -> None:
    found = stack_facts(compile_module(bytes(wasmtime.wat2wasm(CALLS)), BOARD.target))
    assert found.needed is None
    loops = [{name.split()[1] for name in loop} for loop in found.recursions]
    assert {"2"} in loops or {"0", "1"} in loops  # LLVM may make a loop of one of them
    assert found.path[-1].function != found.path[-2].function


def test_calls_are_measured_one_by_one(demo: Any) -> None:
    board = demo["boards"][0]
    init, process = board["calls"]
    assert (init["call"], process["call"], process["results"]) == ("init 8000 1000", "process 4", [4])
    assert init["instructions"] < process["instructions"]
    assert init["peaks"]["aux stack"] == 0 < process["peaks"]["aux stack"]  # only process formats text
    assert max(init["peaks"]["operand stack"], process["peaks"]["operand stack"]) <= board["stack"]["needed"]
    assert [entry["mark"] for entry in board["recording"]] == ["instantiate", "init 8000 1000", "process 4"]


SOURCE = """
static int table[64];
__attribute__((export_name("fill"))) void fill(int n) { for (int i = 0; i < 64; i++) table[i] = n * i; }
__attribute__((noinline)) static int of(int n) { int sum = 0; for (int i = 0; i < n; i++) sum += table[i]; return sum; }
__attribute__((export_name("sum"))) int sum(int n) { return of(n & 63) + of(n & 31); }
"""


def test_what_flags_save_is_what_they_save(tmp_path: Path) -> None:
    """Compiled here with the flag: the image is smaller by as much."""
    from insitu.commands.report import Work
    from insitu.commands.tune import Call
    from insitu.toolchain import to_wasm

    source, made = tmp_path / "app.c", tmp_path / "made.wasm"
    source.write_text(SOURCE)
    (board,) = make(source, [BOARD], Work(calls=(Call("sum", ("40",)),), flags=("-g",)))["boards"]
    saved = {one["how"]: one for one in board["savings"]}
    for flag in ("-Os", "-Wl,--strip-all"):
        to_wasm(source, made, flags=["-g", flag])
        image = compile_wasm(made.read_bytes(), board["target"])
        assert board["flash"]["image"] - len(image) == saved[flag]["flash"] != 0
    to_wasm(source, made, flags=["-g"])
    small = compile_wasm(made.read_bytes(), board["target"], Options(optimise="size"))
    assert board["flash"]["image"] - len(small) == saved["insitu build --optimise size"]["flash"]
    assert saved["no export of fill"]["flash"] > 0
    assert saved["-Wl,--strip-debug"]["flash"] == 0


def test_a_window_is_reported_as_it_was_built(tmp_path: Path) -> None:
    from insitu.commands.report import Work
    from insitu.report.run import Sizes

    path = tmp_path / "app.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm(CALLS)))
    (whole,), (windowed,) = (make(path, [BOARD], Work(sizes=Sizes(window=window)))["boards"] for window in (None, 1024))
    assert whole["ram"]["needed"]["sum"] > 65536 > windowed["ram"]["needed"]["sum"]
    assert windowed["flash"]["image"] == len(compile_wasm(path.read_bytes(), BOARD.target, Options(window=1024)))


def test_side_by_side_the_largest_difference_first() -> None:
    rows = side_by_side([{"a": 1, "b": 5, "c": 7}, {"a": 2, "b": 50, "c": 7, "d": 3}])
    assert [(row.name, row.values) for row in rows] == [("b", (5, 50)), ("a", (1, 2)), ("c", (7, 7)), ("d", (None, 3))]


def test_compared_with_an_older_one(demo: Any, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    write_report(old, demo)
    assert read_report(old) == demo
    wasm = tmp_path / "app.wasm"
    wasm.write_bytes(bytes(wasmtime.wat2wasm(CALLS)))
    found = make(wasm, [load_board("rpi_pico")], old=old)
    write_report(tmp_path / "new.md", found)
    text = (tmp_path / "new.md").read_text()
    before, now = metrics(demo["boards"][0])["image"], metrics(found["boards"][0])["image"]
    assert f"| image | {before:,} | {now:,} | {now - before:+,} |" in text
    assert text.index("Changes, rpi_pico") < text.index("### Flash")


@pytest.mark.parametrize("text", ["", "{}", '{"insitu_report": 99, "boards": []}'])
def test_no_report(text: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(InsituError, match=r"old\.json is no report that this insitu reads"):
        read_report(path)


def test_json_is_what_json_can_hold(demo: Any) -> None:
    assert json.loads(json.dumps(demo)) == demo
