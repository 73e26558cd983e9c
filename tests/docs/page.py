"""A page of docs/boards/ as a reader follows it: its blocks, its commands, what these print."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cli.conftest import Command

PAGES = Path(__file__).resolve().parents[2] / "docs" / "boards"
PORT = "/dev/ttyACM0"
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SHOWN = ("console", "c", "toml", "python")  # python: what runs on the board, see test_boards of tests/boards/


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Kind and text of each block of a page, without its indentation, and what stands between the last one and it."""
    text, end = (PAGES / page).read_text(), 0
    for block in _BLOCK.finditer(text):
        indented, kind, body = block.groups()
        assert kind in _SHOWN
        yield kind, re.sub(f"^{indented}", "", body, flags=re.MULTILINE), text[end : block.start()]
        end = block.end()


def commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block and the lines that it prints."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        yield command, lines


def expected(lines: list[str]) -> re.Pattern[str]:
    """Numbers and the spaces beside them may differ; "..." stands for any lines."""
    pattern = ""
    for line in lines:
        if line == "...":
            pattern += r"(?:.*\n)*?"
            continue
        words = re.sub(r"0x[0-9a-f]{8}|\d+", "0", line.rstrip())
        pattern += re.sub(r"(?:\\ )+", " +", re.escape(words)).replace("0", "(?:0x[0-9a-f]{8}|[0-9]+)") + " *\n"
    return re.compile(pattern)


def follow(
    page: str,
    port: str,
    insitu: Command,
    python: Callable[[str], None],
    before: Callable[[str], None] = lambda command: None,
) -> int:
    """Call every command of a page, in the folder that one is in, and compare what it prints; how many there were.

    python: what a block that runs on the board is given to; before: what each command is, before it is called.
    """
    called = 0
    for kind, body, _ in blocks(page):
        if kind == "c":
            Path("add.c").write_text(body)
        for command, lines in commands(body) if kind == "console" else ():
            before(command)
            name, *words = shlex.split(command.replace(PORT, port))
            assert name == "insitu"
            done = insitu(*words)
            assert done.status == 0, f"{command}\n{done.err}"
            assert expected(lines).fullmatch(done.out), f"{command}\n{done.out}"
            called += 1
        if kind == "python":
            python(body)
    return called
