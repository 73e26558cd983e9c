"""Every verb on the Raspberry Pi Pico, stock firmware in rp2040py: in its emulator, and over a port, the pty of one.

deploy and flash over a port are what the pages of docs/boards/ show: tests/docs/test_recipes.py runs them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime
from insitu import places
from insitu.aot import compile_wasm
from insitu.aot.options import Options
from insitu.board.boards import load_board
from insitu.commands.selftest import build, selftest, source
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package.deploy import METHODS
from insitu.selftest import CHECKS
from insitu.telemetry.decode import decode
from insitu.telemetry.frames import Scanner

from tests.boards.modules import HELD
from tests.cli.conftest import Command, refused

pytestmark = pytest.mark.slow

BOARD = load_board("rpi_pico")
_APP = """(module (memory (export "memory") 1)
  (global (export "__data_end") i32 (i32.const 8)) (global (export "__heap_base") i32 (i32.const 8))
  (func (export "add") (param i32 f64) (result f64) (f64.add (f64.convert_i32_s (local.get 0)) (local.get 1)))
  (func (export "fail") unreachable))"""
_WAITING_AT = BOARD.image.address + 0x10000
_OVER_THE_PORT = ("image", "memory", "flash")  # all of them would take another minute and a half


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pico") / "app.xip"
    path.write_bytes(compile_wasm(bytes(wasmtime.wat2wasm(_APP)), BOARD.target))
    return path


@pytest.fixture(scope="module")
def waiting() -> bytes:
    text = HELD[:-1] + '(func (export "forever") (loop (br 0))))'
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), BOARD.target, Options(interruptible=True))


@pytest.fixture(scope="module")
def port(waiting: bytes) -> Iterator[str]:
    """Of a board with the package on its file system, which test_files.py sends, and selftest's image, which takes
    the line long. From here on it keeps a core busy."""
    contents = [*METHODS["files"].contents(BOARD), (BOARD.image.address, build(BOARD.target, source()))]
    contents.append((_WAITING_AT, waiting))
    with emulated(BOARD, contents) as machine:
        yield machine.port


_AWAITED = """
import asyncio, insitu
rt = insitu.Runtime(bytearray(8000))
ticks = 0
async def wait(n):
    await asyncio.sleep_ms(n)
    return n + 1
inst = rt.load(%d).instantiate(stack_size=512, imports={"env": {"wait": wait}})
held, forever = inst.exports.held, inst.exports.forever
async def tick():
    global ticks
    while True:
        ticks += 1
        await asyncio.sleep_ms(1)
async def main():
    print(await asyncio.gather(held.call_async(30), held.call_async(5), held.call_async(10)))
    left, ticking = rt.heap.used(), asyncio.create_task(tick())
    for call in held.call_async(10000), forever.call_async(slice=500):
        try:
            await asyncio.wait_for_ms(call, 40)
        except asyncio.TimeoutError:
            print("given up", rt.heap.used() == left, ticks > 3)
    ticking.cancel()
    print(await held.call_async(1, stack_size=600, aux_size=128))
asyncio.run(main())
rt.heap.check()
"""
_BY_A_TIMER = """
import time, insitu
from insitu import telemetry
rt = insitu.Runtime(bytearray(2000))
timer = telemetry.every(20)
end = time.ticks_add(time.ticks_ms(), 100)
count = 0
while time.ticks_diff(end, time.ticks_ms()) > 0:
    print("line", count)
    count += 1
timer.deinit()
rt.destroy()
"""
_BY_A_TASK = """
import asyncio
rt = insitu.Runtime(bytearray(2000))
async def work():
    task = asyncio.create_task(telemetry.sending(20))
    await asyncio.sleep_ms(120)
    task.cancel()
asyncio.run(work())
rt.destroy()
"""


def test_calls_that_wait(port: str) -> None:
    """asyncio's tasks, of its own: imports that sleep, a call without end in slices, both given up by wait_for."""
    with Link(port) as link:
        link.soft_reset()
        said = link.run(_AWAITED % _WAITING_AT, timeout=120).decode().split("\r\n")
    assert said == ["[31030, 6005, 11010]", "given up True True", "given up True True", "2001", ""]


def test_frames_by_a_timer_and_by_a_task(port: str) -> None:
    """While a program prints as fast as it can; between the frames is what it printed, every line of it."""
    with Link(port) as link:
        bodies, other = Scanner().feed(link.run(_BY_A_TIMER))
        by_task, _ = Scanner().feed(link.run(_BY_A_TASK))
    assert [decode(body)["global_heap"]["size"] for body in bodies + by_task] == [2000] * len(bodies + by_task)
    assert len(bodies) >= 3
    assert len(by_task) >= 3
    lines = other.decode().splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]


def _flashed(insitu: Command, image: Path, *where: str) -> None:
    assert insitu("flash", image, *where, "--json").json == {
        "board": BOARD.name,
        "address": BOARD.image.address,
        "size": image.stat().st_size,
        "crc": zlib.crc32(image.read_bytes()),
        "writer": "emulated",
        "read_back": True,
    }


def _runs(insitu: Command, image: Path, *where: str) -> None:
    done = insitu("run", image, *where, "--invoke", "add", 2, 0.1)
    assert (done.status, done.out, done.err) == (0, "2.1\n", "")


def _shows_memory(insitu: Command, image: Path, *where: str) -> None:
    found = insitu("mem", *where, "--json").json
    assert [(module["address"], module["image_bytes"]) for module in found["modules"]] == [
        (BOARD.image.address, image.stat().st_size)
    ]


def _deployed(insitu: Command, *where: str) -> None:
    done = insitu("deploy", *where, "--json").json
    assert (done["board"], done["method"]) == (BOARD.name, "files")
    assert (done["ram_bytes"] < 24 * 1024, done["note"]) == (True, "")  # a copy of its code alone has 40


def test_in_the_emulator(insitu: Command, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "flash_file", lambda board: tmp_path / f"{board.name}.bin")
    where = ("-b", BOARD.name)
    refused(insitu("mem", *where), "no image is flashed on rpi_pico")
    _deployed(insitu, *where)
    _flashed(insitu, image, *where)
    _runs(insitu, image, *where)
    _shows_memory(insitu, image, *where)


def test_selftest_in_the_emulator(insitu: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check, none skipped."""
    monkeypatch.setattr(places, "flash_file", lambda board: tmp_path / f"{board.name}.bin")
    made = tmp_path / "report.json"
    done = insitu("selftest", "-b", BOARD.name, "--to", made)
    report = json.loads(made.read_text())
    assert (done.status, report["passed"]) == (0, True), done.out
    assert {check["name"]: check["state"] for check in report["checks"]} == dict.fromkeys(CHECKS, "passed")
    assert report["board"]["runs on"] == "an emulator, rp2040"
    assert report["firmware"]["machine"] == BOARD.firmware.reports


def test_selftest_over_a_port(port: str) -> None:
    report = selftest(BOARD, port=port, checks={name: CHECKS[name] for name in _OVER_THE_PORT})
    assert {outcome.name: outcome.state for outcome in report.outcomes} == dict.fromkeys(_OVER_THE_PORT, "passed")
    assert report.about["board"]["runs on"] == "the board at a serial port"


def test_over_a_port(insitu: Command, image: Path, port: str) -> None:
    """The board is known by what its firmware says. run writes the image; mem asks the instance that run has left."""
    where = ("--port", port)
    _runs(insitu, image, *where)
    _shows_memory(insitu, image, *where)
