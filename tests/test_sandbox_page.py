"""docs/SANDBOX.md and the places in the code that rest on its invariants name the same ones."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PLACES = ("host_tools/insitu/aot/**/*.py", "host_tools/insitu/aot/**/*.S", "port/**/*.py")
_NAMED = re.compile(r"invariants?: ((?:[a-z]+(?:-[a-z]+)*)(?:, [a-z]+(?:-[a-z]+)*)*)")


def named() -> dict[str, list[str]]:
    """Invariant to the files that name it."""
    found: dict[str, list[str]] = {}
    for pattern in _PLACES:
        for path in sorted(ROOT.glob(pattern)):
            for names in _NAMED.findall(path.read_text()):
                for name in names.split(", "):
                    found.setdefault(name, []).append(path.name)
    return found


def on_the_page() -> set[str]:
    rows = (ROOT / "docs" / "SANDBOX.md").read_text().split("| invariant |")[1].split("\n\n")[0].splitlines()[2:]
    return {row.split("|")[1].strip() for row in rows}


def test_every_invariant_of_the_code_is_on_the_page() -> None:
    missing = {name: files for name, files in named().items() if name not in on_the_page()}
    assert missing == {}


def test_every_invariant_of_the_page_is_named_in_the_code() -> None:
    assert on_the_page() - named().keys() == set()


def test_files_that_the_page_names_are_there() -> None:
    text = (ROOT / "docs" / "SANDBOX.md").read_text()
    paths = re.findall(r"`((?:aot|wasm|port|xip|tests)/[\w/.]+)`", text)
    folders = {"aot": "host_tools/insitu", "wasm": "host_tools/insitu", "xip": "port", "port": ".", "tests": "."}
    missing = [p for p in paths if not (ROOT / folders[p.split("/")[0]] / p).exists()]
    assert paths and missing == []
