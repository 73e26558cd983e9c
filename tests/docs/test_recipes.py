"""Every command of docs/boards/ as a reader types it, on stock firmware in the emulator, over its serial line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.machine import emulated
from insitu.package.deploy import METHODS

from tests.docs.page import PAGES, PORT, blocks, check, commands, expected

_OTHERS = ("esp32c3.md", "reports.md", "nrf52840.md", "stm32.md")  # each has a test of its own
_CALLED = {"rpi_pico.md": 6, "another-board.md": 5}  # commands


def test_what_a_page_shows_is_compared() -> None:
    lines = ["a: 12 bytes at 0x10060000", "..."]
    assert expected(lines).fullmatch("a: 12 bytes  at 0x10060000\nmore\n")
    assert expected(lines, exact=False).fullmatch("a: 999 bytes  at 0x10080000\nmore\n")
    assert not expected(lines).fullmatch("a: 999 bytes at 0x10060000\n")
    assert not expected(lines, exact=False).fullmatch("b: 12 bytes at 0x10060000\n")
    assert not expected([]).fullmatch("something\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md") if path.name not in _OTHERS))
def test_every_command(page: str, tmp_path: Path) -> None:
    board = load_board("rpi_pico")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    called = 0
    # The package is there: sending it is tests/package/'s, and takes the emulator a minute.
    with emulated(board, METHODS["files"].contents(board)) as machine:
        for block in blocks(PAGES / page):
            if block.file:
                (tmp_path / block.file).write_text(block.text)
            elif block.kind == "python":
                with machine.link() as link:
                    link.soft_reset()
                    assert link.run(block.text, timeout=120) == b"5\r\n"
            for command, lines in commands(block):
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
                assert lines is not None
                check(PAGES / page, command, lines, done.stdout)
                called += 1
    assert called == _CALLED[page]
