"""The verbs on a board at a serial port, which here is the pty of an emulated one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board import boards
from insitu.machine import emulated
from insitu.package.deploy import METHODS

from tests.cli.conftest import Command, refused

_ADD = """(module (memory (export "memory") 1)
  (global (export "__data_end") i32 (i32.const 8)) (global (export "__heap_base") i32 (i32.const 8))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "fail") unreachable))"""
BOARD = "qemu_rv32"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("port") / "app.xip"
    path.write_bytes(compile_wasm(bytes(wasmtime.wat2wasm(_ADD)), boards.load_board(BOARD).target))
    return path


@pytest.fixture(scope="module")
def port(image: Path) -> Iterator[str]:
    """Of a board with the image and the package in its flash, freshly started."""
    board = boards.load_board(BOARD)
    contents = [(board.image.address, image.read_bytes()), *METHODS["romfs"].contents(board)]
    with emulated(board, contents) as machine:
        yield machine.port


@pytest.mark.qemu
def test_run(insitu: Command, image: Path, port: str) -> None:
    """Again and again: each run starts with an empty heap. The board is known by what its firmware reports."""
    for where in (("--port", port), ("-b", BOARD, "--port", port)):
        done = insitu("run", image, *where, "--invoke", "add", 2, 3)
        assert (done.status, done.out) == (0, "5\n"), done
    done = insitu("run", image, "--port", port, "--invoke", "fail")
    assert done.err.startswith('insitu: trap: "unreachable" in function "fail"')


@pytest.mark.qemu
def test_mem(insitu: Command, image: Path, port: str) -> None:
    assert insitu("run", image, "--port", port, "--invoke", "add", 2, 3).status == 0
    found = insitu("mem", "--port", port, "--json").json
    assert found["modules"][0]["image_bytes"] == image.stat().st_size


@pytest.mark.qemu
def test_deploy(insitu: Command, port: str) -> None:
    done = insitu("deploy", "--port", port, "--json").json
    assert (done["board"], done["method"]) == (BOARD, "romfs")
    assert done["ram_bytes"] < done["flash_bytes"]


@pytest.mark.qemu
def test_what_cannot_be_written_over_the_line(insitu: Command, wasm: object, tmp_path: Path, port: str) -> None:
    other = tmp_path / "other.wasm"
    other.write_bytes(bytes(wasmtime.wat2wasm('(module (func (export "go")))')))
    for verb in (("flash", other), ("run", other, "--invoke", "go")):
        refused(insitu(*verb, "--port", port), f"{BOARD} is not written over the serial line", "--to FILE")


def test_usage(insitu: Command, image: Path) -> None:
    assert insitu("run", image, "--invoke", "add", 2, 3).status == 2
    assert insitu("run", image, "-b", BOARD, "--sim", "--port", "x", "--invoke", "add", 2, 3).status == 2
    assert insitu("tune", image, "-b", BOARD, "--port", "x", "--invoke", "add 2 3").status == 2
    refused(
        insitu("run", image, "--port", "/dev/no-such-port", "--invoke", "add", 2, 3),
        "cannot open /dev/no-such-port",
        status=3,
    )


@pytest.mark.qemu
@pytest.mark.slow
def test_tune_on_the_board_s_emulator(insitu: Command, tmp_path: Path) -> None:
    """It measures what the simulator measures; the heap differs by a margin only."""
    app = tmp_path / "app.wasm"
    app.write_bytes(bytes(wasmtime.wat2wasm(_ADD)))
    tune = ("tune", app, "-b", BOARD, "--invoke", "add 2 3", "--json")
    here, there = (
        {knob["name"]: knob["proposed"] for knob in insitu(*tune, *more).json["knobs"]}
        for more in ((), ("--on-board",))
    )
    heap = "global heap"
    assert {k: v for k, v in here.items() if k != heap} == {k: v for k, v in there.items() if k != heap}
    assert abs(here[heap] - there[heap]) <= 128
