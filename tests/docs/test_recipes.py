"""Every command of docs/boards/ as a reader types it, on stock firmware in the emulator, over its serial line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.machine import emulated
from insitu.package.deploy import METHODS

_PAGES = Path(__file__).resolve().parents[2] / "docs" / "boards"
_PORT = "/dev/ttyACM0"
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`(\w+\.(?:c|toml))`")
_SHOWN = ("console", "c", "toml", "python")  # python: what runs on the board, see test_boards of tests/boards/
_OTHERS = ("reports.md", "nrf52840.md", "stm32.md")  # each has a test of its own
_CALLED = {"rpi_pico.md": 6, "another-board.md": 5}  # commands


def _blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Kind and text of each block of a page, without its indentation, and what stands between the last one and it."""
    text, end = (_PAGES / page).read_text(), 0
    for block in _BLOCK.finditer(text):
        indented, kind, body = block.groups()
        assert kind in _SHOWN
        yield kind, re.sub(f"^{indented}", "", body, flags=re.MULTILINE), text[end : block.start()]
        end = block.end()


def _commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block and the lines that it prints."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        yield command, lines


def _expected(lines: list[str]) -> re.Pattern[str]:
    """Numbers and the spaces beside them may differ; "..." stands for any lines."""
    pattern = ""
    for line in lines:
        if line == "...":
            pattern += r"(?:.*\n)*?"
            continue
        words = re.sub(r"0x[0-9a-f]{8}|\d+", "0", line.rstrip())
        pattern += re.sub(r"(?:\\ )+", " +", re.escape(words)).replace("0", "(?:0x[0-9a-f]{8}|[0-9]+)") + " *\n"
    return re.compile(pattern)


def test_what_a_page_shows_is_compared() -> None:
    lines = ["a: 12 bytes at 0x10060000", "..."]
    assert _expected(lines).fullmatch("a: 999 bytes  at 0x10080000\nmore\n")
    assert not _expected(lines).fullmatch("b: 12 bytes at 0x10060000\n")
    assert not _expected([]).fullmatch("something\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(path.name for path in _PAGES.glob("*.md") if path.name not in _OTHERS))
def test_every_command(page: str, tmp_path: Path) -> None:
    board = load_board("rpi_pico")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    called = 0
    # The package is there: sending it is tests/package/'s, and takes the emulator a minute.
    with emulated(board, METHODS["files"].contents(board)) as machine:
        for kind, body, before in _blocks(page):
            if kind in ("c", "toml"):
                (tmp_path / _FILE.findall(before)[-1]).write_text(body)
            for command, lines in _commands(body) if kind == "console" else ():
                done = subprocess.run(
                    command.replace(_PORT, machine.port),
                    shell=True,
                    cwd=tmp_path,
                    env={**os.environ, "PATH": path, "COLUMNS": "120"},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{command}\n{done.stderr}"
                assert _expected(lines).fullmatch(done.stdout), f"{command}\n{done.stdout}"
                called += 1
    assert called == _CALLED[page]
