"""A place of a labgrid board farm, on its own coordinator and exporter: a board in QEMU, and a relay for its power."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from insitu.board import boards
from insitu.errors import InsituError
from insitu.machine import emulated
from insitu.machine.place import place
from insitu.places import CHECKOUT

_LABGRID = CHECKOUT / "build" / "labgrid"
_NEEDS_LABGRID = pytest.mark.skipif(
    not (_LABGRID / "labgrid").is_dir(), reason="labgrid is not in build/labgrid: make build/labgrid.stamp"
)
_FARM = """
desk:
  NetworkSerialPort: {{host: 127.0.0.1, port: {serial}, protocol: raw}}
  NetworkPowerPort: {{model: simplerest, host: "http://127.0.0.1:{relay}/{{index}}/{{value}}", index: "7"}}
shelf:
  NetworkPowerPort: {{model: simplerest, host: "http://127.0.0.1:{relay}/{{index}}/{{value}}", index: "8"}}
"""
# In a process of its own: labgrid is on its path.
_USE = """
from insitu.errors import InsituError
from insitu.link.raw_repl import Link
from insitu.machine.place import place
def tried(name):
    try:
        with place(name) as port, Link(port) as link:
            print(link.run("import sys; print(sys.implementation._machine)").decode().strip())
            if name == "desk": again(name)
    except InsituError as error:
        print(error)
def again(name):
    try:
        with place(name): print("not locked")
    except InsituError as error:
        print(error)
for name in ("desk", "shelf", "attic"): tried(name)
"""


@contextlib.contextmanager
def _tcp(path: str) -> Iterator[int]:
    """The TCP port at which the serial line at path is reached, as ser2net has it: a client at a time."""
    line, server = os.open(path, os.O_RDWR | os.O_NOCTTY), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # the end
            while True:
                client, _ = server.accept()
                _carry(line, client)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()
    os.close(line)


def _carry(line: int, client: socket.socket) -> None:
    with client:
        while True:
            ready, _, _ = select.select([line, client], [], [])
            if line in ready:
                client.sendall(os.read(line, 4096))
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                os.write(line, data)


@contextlib.contextmanager
def _relay(log: list[str]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            log.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"1")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
        return True
    return False


@contextlib.contextmanager
def _farm(folder: Path, environment: dict[str, str], config: str) -> Iterator[Callable[..., str | None]]:
    """labgrid's coordinator and an exporter; what it gives is labgrid-client."""
    (folder / "farm.yaml").write_text(config)
    address = environment["LG_COORDINATOR"]

    def client(*words: str) -> str | None:
        command = (sys.executable, "-m", "labgrid.remote.client", *words)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)
        return done.stdout if done.returncode == 0 else None

    def answers(part: str, words: tuple[str, ...], answered: Callable[[], bool]) -> None:
        """Start a part of the farm, and wait until it is there."""
        command = (sys.executable, "-m", f"labgrid.remote.{part}", *words)
        printed = stack.enter_context((folder / part).open("w+"))
        started = subprocess.Popen(command, env=environment, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        stack.callback(started.wait)
        stack.callback(started.kill)
        end = time.monotonic() + 60
        while not answered():
            assert started.poll() is None and time.monotonic() < end, (folder / part).read_text()
            time.sleep(0.2)

    with contextlib.ExitStack() as stack:
        # One after the other: an exporter ends when its coordinator does not answer yet.
        answers("coordinator", ("-l", address), lambda: _listens(address))
        answers(
            "exporter",
            ("-c", address, "--hostname", "localhost", "-n", "farm", "farm.yaml"),
            lambda: "farm/shelf/NetworkPowerPort" in (client("resources") or ""),
        )
        yield client


@_NEEDS_LABGRID
@pytest.mark.slow
@pytest.mark.qemu
def test_a_place_is_locked_turned_on_used_and_given_back(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "LG_COORDINATOR": address, "PYTHONPATH": str(_LABGRID)}
    log: list[str] = []
    with (
        emulated(boards.load_board("qemu_mps2_an385"), []) as machine,
        _tcp(machine.port) as serial,
        _relay(log) as relay,
        _farm(tmp_path, environment, _FARM.format(serial=serial, relay=relay)) as client,
    ):
        for name in ("desk", "shelf"):
            client("-p", name, "create")
            client("-p", name, "add-match", f"farm/{name}/*")
        done = subprocess.run(
            (sys.executable, "-c", _USE), env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.stdout.splitlines() == [
            "mps2-an385 with Cortex-M3",
            "labgrid, acquire desk: You have already acquired place desk.",
            "labgrid, shelf: no NetworkSerialPort resource found in Target(name='shelf', env=None)",
            "labgrid, acquire attic: place pattern attic matches nothing",
        ], done
        assert log == ["/7/1", "/8/1"]
        assert "acquired: None" in (client("-p", "desk", "show") or "")


def test_without_labgrid() -> None:
    """It is in no environment that has not asked for it."""
    with pytest.raises(InsituError, match=r"labgrid is not installed: pip install insitu\[labgrid\]"), place("desk"):
        pass
