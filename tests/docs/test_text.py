"""What is between the blocks of README and docs: verbs and options that exist; and no block of a kind that no test
knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from insitu.cli import verbs

from tests.docs.page import ALL, INDENTED, blocks

_COMMAND = re.compile(r"`insitu ([a-z]+)([^`]*)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", ALL)
def test_verbs_and_options(name: str) -> None:
    for verb, rest in _COMMAND.findall(ALL[name].read_text()):
        known = {option for parameter in verbs.load(verb).params for option in parameter.opts} | {"--help"}
        words = rest.partition(" -- ")[0].split()
        assert {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)} <= known, f"{verb}{rest}"


@pytest.mark.parametrize("name", ALL)
def test_links_lead_to_files(name: str) -> None:
    folder = ALL[name].parent
    assert [link for link in _LINK.findall(ALL[name].read_text()) if not Path(folder, link).exists()] == []


def test_kinds_of_blocks() -> None:
    kinds = {block.kind for path in ALL.values() for block in blocks(path)}
    assert kinds == {"console", INDENTED, "python", "c", "toml", "json", "text", ""}
