"""Every command of docs/boards/ as a reader types it, on stock firmware in the emulator, over its serial line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.machine import emulated
from insitu.package.deploy import METHODS

from tests.docs.page import PAGES, PORT, blocks, commands, expected

_FILE = re.compile(r"`(\w+\.(?:c|toml))`")
_OTHERS = ("esp32c3.md", "reports.md", "nrf52840.md", "stm32.md")  # each has a test of its own
_CALLED = {"rpi_pico.md": 6, "another-board.md": 5}  # commands


def test_what_a_page_shows_is_compared() -> None:
    lines = ["a: 12 bytes at 0x10060000", "..."]
    assert expected(lines).fullmatch("a: 999 bytes  at 0x10080000\nmore\n")
    assert not expected(lines).fullmatch("b: 12 bytes at 0x10060000\n")
    assert not expected([]).fullmatch("something\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md") if path.name not in _OTHERS))
def test_every_command(page: str, tmp_path: Path) -> None:
    board = load_board("rpi_pico")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    called = 0
    # The package is there: sending it is tests/package/'s, and takes the emulator a minute.
    with emulated(board, METHODS["files"].contents(board)) as machine:
        for kind, body, before in blocks(page):
            if kind in ("c", "toml"):
                (tmp_path / _FILE.findall(before)[-1]).write_text(body)
            for command, lines in commands(body) if kind == "console" else ():
                done = subprocess.run(
                    command.replace(PORT, machine.port),
                    shell=True,
                    cwd=tmp_path,
                    env={**os.environ, "PATH": path, "COLUMNS": "120"},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{command}\n{done.stderr}"
                assert expected(lines).fullmatch(done.stdout), f"{command}\n{done.stdout}"
                called += 1
    assert called == _CALLED[page]
