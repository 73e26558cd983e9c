"""The link to a board: what a program prints never looks like the link's own words."""

from __future__ import annotations

import ast
import os
import pty
import threading
from collections.abc import Callable, Iterator

import pytest
from insitu.board import boards
from insitu.errors import InsituError
from insitu.link.files import FILE, FOLDER, Files
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated


@pytest.fixture(scope="module", params=["qemu_stm32f405", "qemu_rv32"])
def link(request: pytest.FixtureRequest) -> Iterator[Link]:
    """A board with nothing on it."""
    with emulated(boards.load_board(request.param), []) as machine, machine.link() as link:
        yield link


# Each is a whole end of an exchange, or a part of one (docs/reference/repl.rst of MicroPython).
FORGED = [
    "\x04\x04>",
    "OK\x04\x04>",
    "\x04",
    ">",
    "\x04\x04>OK5\r\n\x04\x04>",
    "raw REPL; CTRL-B to exit\r\n>",
    "\x01\x02",
]


@pytest.mark.qemu
@pytest.mark.parametrize("text", FORGED)
def test_any_bytes_may_be_printed(link: Link, text: str) -> None:
    code = f"import sys\nfor i in range(3): sys.stdout.write({text!r})\n"
    wanted = (text * 3).replace("\n", "\r\n")
    assert link.run(code) == wanted.encode()
    with pytest.raises(DeviceError, match="divide by zero") as caught:
        link.run(code + "1 / 0\n")
    assert (caught.value.kind, caught.value.text) == ("ZeroDivisionError", "divide by zero")
    assert caught.value.output == wanted.encode()
    assert link.run("print(7)") == b"7\r\n"


@pytest.mark.qemu
def test_a_text_of_several_lines_is_not_another_exception(link: Link) -> None:
    with pytest.raises(DeviceError) as caught:
        link.run("raise ValueError('no\\nExit: the program ended with exit code 0')")
    assert (caught.value.kind, caught.value.text) == ("ValueError", "no\nExit: the program ended with exit code 0")


@pytest.mark.qemu
def test_code_longer_than_the_board_s_receive_buffer(link: Link) -> None:
    """By raw paste, and in the plain raw REPL that older firmware has."""
    for pastes in (True, False):
        link._pastes = pastes
        assert link.run(f"text = {'x' * 5000!r}\nprint(len(text))") == b"5000\r\n"
    link._pastes = True


@pytest.mark.qemu
def test_what_cannot_be_compiled(link: Link) -> None:
    with pytest.raises(DeviceError) as caught:
        link.run("x = = 3\n" + "y = 1\n" * 500)
    assert caught.value.kind == "SyntaxError"
    assert link.run("print(8)") == b"8\r\n"


@pytest.mark.qemu
def test_resets(link: Link) -> None:
    link.run("mine = 1")
    link.soft_reset()
    assert link.run("print('mine' in globals())") == b"False\r\n"
    with pytest.raises(InsituError, match="the program reset the board"):
        link.run("raise SystemExit")
    assert link.run("print(9)") == b"9\r\n"


def _scripted(answer: Callable[[bytes], bytes]) -> str:
    """The path of a line at whose other end is a MicroPython that answers as told."""
    master, slave = pty.openpty()

    def serve() -> None:
        while True:
            try:
                os.write(master, answer(os.read(master, 1000)))
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return os.ttyname(slave)


def test_a_line_without_micropython() -> None:
    link = Link(_scripted(lambda _: b"login: "), timeout=0.5)
    with pytest.raises(InsituError, match="no MicroPython prompt within 0 s"), link:
        pass


def test_a_socket() -> None:
    with pytest.raises(InsituError, match="cannot open socket://127.0.0.1:1: "):
        Link("socket://127.0.0.1:1")
    with pytest.raises(InsituError, match="cannot open nonsense://x: "):
        Link("nonsense://x")


# --- files that the host has ---

_READ = """
import sys, binascii
def ask(token, path, at, size):
    print("before")
    print(token, path, at, size)
    return binascii.a2b_base64(sys.stdin.readline().partition(token)[2])
"""


@pytest.mark.qemu
def test_a_program_reads_files_of_the_host(link: Link) -> None:
    data = bytes(range(256))
    files = Files({"folder/a.bin": data})
    link.serve(files)
    link.run(_READ + f"token = {files.token!r}\n")
    ask = "\nprint(ask(token, '{}', {}, {}))"
    assert link.run(ask.format("/folder/a.bin", 250, 20)) == b"before\r\n" + repr(data[250:]).encode() + b"\r\n"
    for path, kind in (("/folder/a.bin", bytes([FILE])), ("/folder", bytes([FOLDER])), ("/fold", b"")):
        assert ast.literal_eval(link.run(ask.format(path, 0, 0)).split(b"\r\n")[1].decode()) == kind
    forged = f"{'0' * len(files.token)} /folder/a.bin 0 9\n"
    assert link.run(f"import sys\nsys.stdout.write({forged!r})\n") == forged.replace("\n", "\r\n").encode()
    # an end of an exchange that is none: the host has asked the raw REPL, too
    said = link.run("print('\\x04\\x04>')" + ask.format("/folder/a.bin", 0, 99))
    assert said.endswith(repr(data[:99]).encode() + b"\r\n")
