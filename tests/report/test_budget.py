"""A budget's limits are kept or are not, and who reads that is told which, where, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from insitu.board import boards
from insitu.commands.report import make, write_report
from insitu.report import budget as budgets

from tests.cli.conftest import Command, insitu, refused

__all__ = ["insitu"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "budget.toml"
# A page of memory that cannot be truncated, and a function that takes steps.
APP = """(module (memory 1) (func (export "steps") (param i32) (result i32) (local i32)
  (loop (local.set 1 (i32.add (local.get 1) (i32.load (local.get 0))))
    (local.set 0 (i32.sub (local.get 0) (i32.const 4)))
    (br_if 0 (local.get 0)))
  (local.get 1)))"""
HEAD = 'app = "app.wasm"\nboards = ["rpi_pico", "qemu_rv32"]\ncalls = ["steps 400"]\n'


@pytest.fixture
def budget(tmp_path: Path) -> Callable[[str], Path]:
    """budget(text): the file, with the program beside it."""
    (tmp_path / "app.wasm").write_bytes(bytes(wasmtime.wat2wasm(APP)))

    def write(text: str, head: str = HEAD) -> Path:
        path = tmp_path / "budget.toml"
        path.write_text(head + text)
        return path

    return write


def test_the_demo_s_on_every_emulated_board(insitu: Command) -> None:
    assert sorted(budgets.read(EXAMPLE).boards) == sorted(boards.emulated())
    done = insitu("budget", EXAMPLE)
    assert (done.status, done.err) == (0, ""), done.out
    assert done.out.endswith("72 of 72 limits are kept, 8 boards\n")


def test_what_is_over(insitu: Command, budget: Callable[[str], Path]) -> None:
    """A memory of 65,536 bytes against one of 65,000; on one board alone an image that no board could keep."""
    path = budget('[limits]\nimage = 4000\n"linear memory" = 65000\n[limits.qemu_rv32]\nimage = 100\n')
    done = insitu("budget", path)
    assert done.status == 1
    rows = [line.split()[:-3] for line in done.out.splitlines() if "in the budget" in line]
    assert [row[0] for row in rows] == ["qemu_rv32", "rpi_pico", "qemu_rv32"]  # the worst share first
    assert rows[1][1:] == ["linear", "memory", "65,536", "65,000", "536"]
    assert "1 of 4 limits are kept" in done.out
    found = insitu("budget", path, "--json")
    assert (found.status, found.json["kept"], len(found.json["limits"])) == (1, False, 4)


def test_annotations_name_the_line(insitu: Command, budget: Callable[[str], Path]) -> None:
    path = budget("[limits]\nimage = 4000\n[limits.qemu_rv32]\n# so few\nimage = 100\n")
    done = insitu("budget", path, "--format", "github")
    assert done.status == 1
    (line,) = [line for line in done.out.splitlines() if line.startswith("::")]
    head, _, text = line[2:].partition("::")
    assert head == f"error file={path},line=8,title=insitu budget"
    assert text.startswith("qemu_rv32: image is ")


def test_instructions_are_of_the_call(budget: Callable[[str], Path]) -> None:
    """100 rounds of a load, an addition, a subtraction and a branch, with the check of the address."""
    path = budget('[limits]\n"instructions: steps 400" = 1000\n')
    report = make(path.parent / "app.wasm", [boards.load_board("rpi_pico")], _work(path))
    (kept,) = budgets.judged(budgets.read(path), report)
    assert 400 < kept.measured < 1000


def _work(path: Path) -> Any:
    from insitu.commands.report import Work
    from insitu.commands.tune import Call

    return Work(calls=tuple(Call.parse(call) for call in budgets.read(path).calls), advised=False)


def test_growth_against_a_base(insitu: Command, budget: Callable[[str], Path], tmp_path: Path) -> None:
    path = budget('base = "base.json"\n[growth]\nimage = "2%"\n"linear memory" = 0\n')
    found = [boards.load_board(name) for name in ("rpi_pico", "qemu_rv32")]
    write_report(tmp_path / "base.json", make(tmp_path / "app.wasm", found, _work(path)))
    assert insitu("budget", path).status == 0
    (tmp_path / "app.wasm").write_bytes(bytes(wasmtime.wat2wasm(APP.replace("memory 1", "memory 2"))))
    done = insitu("budget", path)
    assert done.status == 1
    assert done.out.count("linear memory  131,072") == 2
    assert "as 65,536 before and 0 more" in done.out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "limits nothing: write [limits] or [growth]"),
        ("[limits]\nimage = -1\n", "the field 'limits.image' must be from 0 to 0xffffffff, not -0x1"),
        ("[limits]\nflash = 1\n", "limits.flash was not measured; there are: image, flash: functions,"),
        ("[limits.rpi_pico2]\nimage = 1\n", "limits.rpi_pico2 is of no board of the budget's: rpi_pico, qemu_rv32"),
        ('[growth]\nimage = "2%"\n', "[growth] is against a report: give base"),
        (
            'base = "b"\n[growth]\nimage = "much"\n',
            "growth.image is 'much', it must be a number or a share such as \"2%\"",
        ),
        ('on = "moon"\n[limits]\nimage = 1\n', 'on is \'moon\', it must be "simulator" or "board"'),
        ("limit = 1\n[limits]\nimage = 1\n", "there is no field 'limit'"),
        ("[limits\n", "Expected ']'"),
    ],
)
def test_what_a_budget_cannot_say(insitu: Command, budget: Callable[[str], Path], text: str, says: str) -> None:
    refused(insitu("budget", budget(text)), "budget.toml: " if "nothing" not in says else "budget.toml", says)


@pytest.mark.qemu
@pytest.mark.parametrize("on", ["board", "simulator"])
def test_the_package_on_the_firmware(insitu: Command, budget: Callable[[str], Path], on: str) -> None:
    """From a ROM partition it takes 14 to 15 KB (README); the bar is 16,384."""
    head = f'app = "app.wasm"\nboards = ["qemu_mps2_an385"]\non = "{on}"\n'
    path = budget("[limits]\npackage = 16384\n", head)
    found = insitu("budget", path, "--json")
    (kept,) = found.json["limits"]
    assert (found.status, kept["name"]) == (0, "package")
    assert 8000 < kept["measured"] <= 16384
