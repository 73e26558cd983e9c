"""A board whose port goes away and comes back; a line that is a socket."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package.deploy import METHODS

from tests.cli.conftest import Command, insitu

__all__ = ["insitu"]
BOARD = load_board("qemu_rv32")
_AWAY = 1.0  # seconds that a board is gone after its reset
_RESET, _SOFT_RESET = b"machine.reset()", b"\x04"
_ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'


class Server:
    """Carries a serial line over TCP, one client after the other.

    Attributes: url: what a client opens; clients: how many there were. A client that sends _RESET is cut off; the
    board, which has no such function, gets a soft reset, and nobody answers at the address for a while.
    """

    def __init__(self, path: str) -> None:
        self._line = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._line)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._address = self._server.getsockname()
        self.url, self.clients, self._end = f"socket://127.0.0.1:{self._address[1]}", 0, False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._end = True
        self._thread.join()
        self._server.close()
        os.close(self._line)

    def _serve(self) -> None:
        while not self._end:
            if select.select([self._server], [], [], 0.1)[0]:
                client, _ = self._server.accept()
                self.clients += 1
                with client:
                    reset = self._carry(client)
                if reset:
                    self._go_away()

    def _carry(self, client: socket.socket) -> bool:
        """Until the client goes; whether it has reset the board."""
        seen = b""
        while not self._end:
            for ready in select.select([client, self._line], [], [], 0.1)[0]:
                if ready is client:
                    data = client.recv(4096)
                    if not data:
                        return False
                    seen = seen[-len(_RESET) :] + data
                    if _RESET in seen:
                        return True
                    os.write(self._line, data)
                else:
                    client.sendall(os.read(self._line, 4096))
        return False

    def _go_away(self) -> None:
        self._server.close()
        os.write(self._line, b"\r\x03\x03\x02" + _SOFT_RESET)  # out of the raw REPL first
        time.sleep(_AWAY)
        self._server = socket.create_server(self._address)


@contextmanager
def served(path: str) -> Iterator[Server]:
    server = Server(path)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def line() -> Iterator[str]:
    with emulated(BOARD, [*METHODS["romfs"].contents(BOARD), (BOARD.image.address, _image())]) as machine:
        yield machine.port


def _image() -> bytes:
    return compile_wasm(bytes(wasmtime.wat2wasm(_ADD)), BOARD.target)


@pytest.mark.qemu
def test_run_over_a_socket(insitu: Command, line: str, tmp_path: Path) -> None:
    app = tmp_path / "app.xip"
    app.write_bytes(_image())
    with served(line) as server:
        done = insitu("run", app, "--port", server.url, "--invoke", "add", 2, 3)
        assert (done.status, done.out, done.err) == (0, "5\n", "")
        assert server.clients > 1  # which board it is, what its flash holds, the run


@pytest.mark.qemu
def test_reset_of_a_board_whose_port_goes_away(line: str) -> None:
    with served(line) as server, Link(server.url) as link:
        link.run("here = 1")
        link.reset()
        assert server.clients == 2
        assert link.run("print('here' in globals())") == b"False\r\n"


@pytest.mark.qemu
def test_reset_of_a_board_that_does_not_come_back(line: str) -> None:
    """Not within the time that it is waited for."""
    with served(line) as server, Link(server.url) as link:
        link.timeout = _AWAY / 4
        with pytest.raises(InsituError, match="cannot open socket://"):
            link.reset()


@pytest.mark.slow
def test_reset_of_a_pico() -> None:
    """By its watchdog, with which machine.reset() resets the chip."""
    with emulated(load_board("rpi_pico"), []) as machine, machine.link() as link:
        assert isinstance(link, Link)
        link.run("here = 1")
        link.reset()
        assert link.run("import machine\nprint('here' in globals(), machine.reset_cause() == machine.WDT_RESET)") == (
            b"False True\r\n"
        )
