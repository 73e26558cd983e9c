"""Emulators end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.machine import emulated
from insitu.machine.process import start_process

_GONE = 5.0  # seconds
# A program that starts an emulator and does nothing more; board's name and flash file are its arguments.
_PARENT = """
import signal, sys, time
from pathlib import Path
from insitu.board.boards import load_board
from insitu.machine import emulated
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background of a shell ignores
with emulated(load_board(sys.argv[1]), [], flash_file=Path(sys.argv[2])) as machine:
    print(machine.port, flush=True)
    time.sleep(600)
"""


def _running(word: str) -> list[int]:
    """Processes with a word in their command line, this one and its parents apart."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    found = (line.strip().partition(" ") for line in listed.splitlines())
    return [int(pid) for pid, _, command in found if word in command and int(pid) != os.getpid()]


def _wait_for_end(word: str) -> list[int]:
    end = time.monotonic() + _GONE
    while (left := _running(word)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["qemu_rv32", pytest.param("rpi_pico", marks=pytest.mark.slow)])
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ends_with_a_parent_that_is_killed(name: str, sent: signal.Signals, tmp_path: Path) -> None:
    flash = tmp_path / "of-this-test.bin"
    command = [sys.executable, "-c", _PARENT, name, str(flash)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdout=pipe, stderr=null, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("/dev/")
        assert len(_running(str(flash))) > 1  # the parent itself is one
        if sent is signal.SIGINT:  # as a terminal does: to all that run in it
            os.killpg(parent.pid, sent)
        else:
            parent.send_signal(sent)
        assert parent.wait() != 0
    try:
        assert _wait_for_end(str(flash)) == []
    finally:
        for pid in _running(str(flash)):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.qemu
def test_is_gone_after_the_with(tmp_path: Path) -> None:
    flash = tmp_path / "of-this-test.bin"
    with emulated(load_board("qemu_rv32"), [], flash_file=flash):
        assert _running(str(flash))
    assert not _running(str(flash))


def test_output_ends_with_the_command() -> None:
    """A command that fails at once says so, and is not waited for."""
    with ExitStack() as stack:
        process = start_process(["sh", "-c", "echo no such machine"], stack)
        assert process.stdout is not None
        assert process.stdout.read() == "no such machine\n"
