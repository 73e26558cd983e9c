"""docs/reference/ is what its command makes, every public name in it says what it is, and every verb has an example."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from insitu.cli.verbs import VERBS
from insitu.errors import InsituError, LineError, QuietError
from insitu.port import PUBLIC

from docs import generate
from docs.generate import COMMAND, REFERENCE, pages


@pytest.mark.parametrize("name", pages())
def test_it_is_what_the_command_makes(name: str) -> None:
    assert (REFERENCE / name).read_text() == pages()[name], f"docs/reference/{name} is not up to date: run `{COMMAND}`"


def test_no_other_page_is_there() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == pages().keys()


def test_the_command_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "REFERENCE", tmp_path / "reference")
    runpy.run_module(COMMAND.rpartition(" ")[2], run_name="__main__")
    assert {path.name: path.read_text() for path in (tmp_path / "reference").iterdir()} == pages()


def test_what_a_program_finds_in_insitu_is_there() -> None:
    page = pages()["device.md"].partition("## `insitu.runtime`")[0]
    shown = re.findall(r"^(?:- `|### class `)(\w+)", page, re.MULTILINE)
    assert {name for names in PUBLIC.values() for name in names} <= {*shown}


def test_what_has_a_name_has_a_text() -> None:
    """What Python itself calls, as for len(), needs none."""
    lines = re.findall(r"^- `\w.*\)(?: -> .*)?`$", pages()["device.md"], re.MULTILINE)
    assert [line for line in lines if "__" not in line and not re.match(r"- `(Exports|Exit|Trap)\(", line)] == []


def test_every_verb_has_an_example_and_every_status_a_line() -> None:
    page = pages()["cli.md"]
    assert [verb for verb in VERBS if f"$ insitu {verb}" not in page] == []
    shown = re.findall(r"^ +(\d+)  ", page, re.MULTILINE)
    assert [*map(int, shown)] == [0, InsituError.status, 2, LineError.status, QuietError.status, 130]
