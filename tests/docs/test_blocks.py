"""Every command and every Python block of README and docs, but for docs/boards/, whose pages have tests of their own.

A command runs as it stands, what it prints is what the page shows, in the simulator or QEMU. What has a serial port in
it runs in the simulator instead, and what cannot be run here is in a table.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import wasmtime
from insitu import aot, places, sim
from insitu.board.boards import load_board
from insitu.machine.simulated import Here, Simulated
from insitu.mpy import cross
from insitu.places import CHECKOUT
from insitu.telemetry import ask, record
from insitu.telemetry.record import Entry, Recording
from insitu.toolchain import compile_c

from examples import demo
from tests.cli.conftest import Command, insitu
from tests.cli.test_wasi import THREADS
from tests.docs.page import ALL, PAGES, PORT, Block, blocks, check, commands

__all__ = ["insitu"]

_BOARD = load_board("qemu_stm32f405")
_NOT_RUN = {  # as _plain has them
    "make demo": "it sets a machine up, as .ci/run does; test_the_demo is what it shows",
    "make test": "this is part of it",
    f"insitu deploy --port {PORT}": "it needs a board; docs/boards/rpi_pico.md is run",
    f"insitu flash app.xip --port {PORT}": "it needs a board; docs/boards/rpi_pico.md is run",
    f"insitu partition -b esp32c3 --port {PORT} --erase-files": "it needs a board; docs/boards/esp32c3.md is run",
    "insitu selftest --port A --port B": "it needs boards; tests/commands/test_desk.py has emulated ones",
    f"insitu selftest --port {PORT} --port /dev/ttyACM1 --to report.json": "it needs boards; the same",
    "insitu selftest --labgrid desk --labgrid shelf": "it needs a farm; tests/commands/test_desk.py has one",
    f"insitu selftest --port {PORT} --to report.json": "it needs a board; tests/session/test_pico.py emulates it",
    f"insitu selftest --port {PORT} -b rpi_pico": "it needs a board; tests/session/test_pico.py emulates it",
    "insitu selftest -b qemu_stm32f405": "tests/commands/test_selftest.py runs it, which takes 20 s",
    "insitu run wasi.wasm -b rpi_pico --env LEVEL=2 --dir /data -- one two": "it needs a folder on a board; the next "
    "command is the same in the simulator",
    f"insitu mpy framebuf.mpy re.mpy --port {PORT} -o c.romfs": "it needs a board; tests/mpy/test_in_c.py links both",
    "mpremote cp 'pico/*.mpy' :lib/": "it needs a board; tests/mpy/ imports these files in the Pico's emulator",
    "pip install --target typings --no-deps .": "tests/test_wheel.py installs what it would",
    "pip install --target typings micropython-stm32-stubs": "another project's package, of no use here",
}
_BOARD_OPTION = re.compile(r" -b (\S+)")
# A program that prints its first argument, in as little linear memory as it needs.
_WASI = """(module (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global (export "__data_end") i32 (i32.const 8)) (global (export "__heap_base") i32 (i32.const 128))
  (func (export "_start")
    (drop (call $args (i32.const 32) (i32.const 64)))
    (i32.store (i32.const 8) (i32.load (i32.const 36))) (i32.store (i32.const 12) (i32.const 3))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))"""
_DIVIDE = """(module (func (export "divide") (param f64 i32) (result f64)
  (f64.div (local.get 0) (f64.convert_i32_s (local.get 1)))))"""
_PROCESS = """(module (func (export "process") (param i32) (result i32) (local.get 0)))"""
# What a page's code for a board finds there.
_NAMES = {
    "docs/async.md": "import asyncio, insitu\nfrom board import imports\n"
    "inst = insitu.Runtime(heap=bytearray(20000)).load(0x080C0000).instantiate(imports=imports)",
    "README.md": f"{demo.DEVICE_IMPORTS}\nread, write = adc_read, uart_write",
    "docs/footprint.md": "import insitu, machine\n"
    "inst = insitu.Runtime(heap=bytearray(16384)).load(0x080B0000).instantiate(stack_size=1024)\n"
    "machine.Timer = lambda _: machine\nmachine.init, machine.Timer.PERIODIC = dict, 1",
    "docs/memory.md": "import insitu\npool = insitu.Runtime(heap=bytearray(8192))\nbuffer = bytearray(4096)\n"
    "malloc, realloc, free = pool.malloc, pool.realloc, pool.free",
    "docs/programs.md": "import insitu, struct\n"
    "inst = insitu.Runtime(heap=bytearray(8192)).load(0x080A0000).instantiate()",
    "docs/threads.md": "import insitu\nmod = insitu.Runtime(heap=bytearray(100000)).load(0x080C0000)",
    "docs/reference/device.md": "import insitu\nmodule = insitu.Runtime(heap=bytearray(8192)).load(0x08090000)",
}


def _is_run(block: Block) -> bool:
    return any(commands(block)) or (block.kind == "python" and not block.file)


_HERE = [
    name
    for name, path in ALL.items()
    if (path.parent != PAGES or path.name == "reports.md") and any(map(_is_run, blocks(path)))
]


def _source(page: str, file: str) -> str:
    return next(block.text for block in blocks(ALL[page]) if block.file == file)


def _put_files(name: str) -> None:
    """What a page speaks of and does not show."""
    match name:
        case "docs/async.md":
            for path in (CHECKOUT / "examples" / "sensors").iterdir():
                shutil.copy(path, path.name)
        case "docs/footprint.md":
            Path("app.c").write_text(_source("README.md", "app.c"))
            _record(Path("memory.jsonl"))
        case "docs/memory.md":
            compile_c(demo.SOURCE, Path("fir.wasm"))
        case "docs/programs.md":
            Path("wasi.wasm").write_bytes(bytes(wasmtime.wat2wasm(_WASI)))
        case "docs/reference/cli.md":
            Path("app.c").write_text(_source("README.md", "app.c"))
            Path("crc.py").write_text(_source("docs/native-modules.md", "crc.py"))
            Path("budget.toml").write_text(_source("docs/footprint.md", "budget.toml"))
        case "docs/update.md" | "docs/SECURITY.md":
            Path("app.xip").write_bytes(aot.compile_wasm(bytes(wasmtime.wat2wasm(_PROCESS)), _BOARD.target))
        case "docs/toolchains.md":
            for suffix in ("rs", "ts"):
                shutil.copy(CHECKOUT / "tests" / "toolchains" / "sources" / f"bare.{suffix}", f"app.{suffix}")


def _record(path: Path) -> None:
    """A runtime without an instance, at one moment."""
    with Simulated(_BOARD, []) as machine, machine.link() as link:
        link.run("import insitu\nrt = insitu.Runtime(heap=bytearray(8192))")
        record.write(path, Recording([Entry(0, "begin", ask.snapshot(link))]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's, whose shell finds this environment's commands, and for whom a pin is at 3.3 V."""
    tools = (Path(sys.executable).parent, Path("/usr/bin"), CHECKOUT / "build/toolchains/node_modules/.bin")
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, tools)), prepend=os.pathsep)
    monkeypatch.setattr(places, "flash_file", lambda board: tmp_path / f"{board.name}.bin")
    pin = SimpleNamespace(read_u16=lambda: 0xFFFF)
    monkeypatch.setitem(sys.modules, "machine", SimpleNamespace(ADC=lambda _: pin, Pin=int))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.qemu
@pytest.mark.parametrize("name", _HERE)
def test_every_block(name: str, folder: Path, insitu: Command) -> None:
    _put_files(name)
    board = ""  # that the page speaks of
    for block in blocks(ALL[name]):
        if block.file:
            Path(block.file).write_text(block.text)
        elif block.kind == "python" and name in _NAMES:
            _on_board(name, block.text)
        elif block.kind == "python":
            _on_host(block.text)
        for command, lines in commands(block):
            board = next(iter(_BOARD_OPTION.findall(command)), board)
            if _plain(command) not in _NOT_RUN:
                _run(ALL[name], _in_the_simulator(_plain(command), board), lines, insitu)


def _run(page: Path, command: str, lines: list[str] | None, insitu: Command) -> None:
    program, *words = shlex.split(command)
    if program != "insitu":
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (make test)")
        subprocess.run([program, *words], check=True)
        return
    done = insitu(*words)
    assert done.status == 0, f"{command}\n{done.err}"
    if lines is not None:
        check(page, command, lines, done.out)


def _plain(command: str) -> str:
    """Without what is behind a #."""
    return shlex.join(shlex.split(command, comments=True))


def _in_the_simulator(command: str, board: str) -> str:
    assert PORT not in command or command.startswith("insitu run ")
    return command.replace(f"--port {PORT}", f"-b {board} --sim")


def _on_board(name: str, text: str) -> None:
    """In the simulator; in its flash the demo, a WASI program, a division; memory where an STM32F405 has its CCM."""
    fir = compile_c(demo.SOURCE, Path("demo.wasm")).read_bytes()
    texts = {0x08090000: _WASI, 0x080A0000: _DIVIDE, 0x080B0000: _PROCESS, 0x080C0000: THREADS}
    contents = [(_BOARD.image.address, fir), *((at, wasmtime.wat2wasm(text)) for at, text in texts.items())]
    images = [(address, aot.compile_wasm(bytes(wasm), _BOARD.target)) for address, wasm in contents]
    if name == "docs/async.md":
        images = [
            (
                0x080C0000,
                aot.compile_wasm(Path("app.wasm").read_bytes(), _BOARD.target, aot.Options(interruptible=True)),
            )
        ]
    with Simulated(_BOARD, images) as machine:
        sim.current().map_ram(0x10000000, 65536)
        link: Here = machine.link()
        link.run(_NAMES[name])
        link.run(text)


def _on_host(text: str) -> None:
    data = cross.compile_source(Path("crc.py").read_text(), cross.MARCH[_BOARD.target], "crc.py")
    exec(text, {"data": data, "address": 0x08080000})


@pytest.mark.parametrize("command", _NOT_RUN)
def test_command_that_is_not_run(command: str) -> None:
    shown = [one for path in ALL.values() for block in blocks(path) for one, _ in commands(block)]
    assert command in map(_plain, shown)
    pytest.skip(f"{command}: {_NOT_RUN[command]}")


@pytest.mark.qemu
def test_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What README shows of `make demo`, number by number."""
    monkeypatch.setattr(places, "flash_file", lambda board: tmp_path / f"{board.name}.bin")
    wasm = compile_c(demo.SOURCE, tmp_path / "fir.wasm").read_bytes()
    _, text, _ = demo.run_board(_BOARD, wasm, demo.expected(wasm))
    (shown,) = [block.text for block in blocks(ALL["README.md"]) if "as under wasmtime" in block.text]
    check(ALL["README.md"], "make demo", [*shown.splitlines(), "..."], text.lstrip("\n"))
