"""flash, run, mem, boards, firmware: what has to do with a board, QEMU or a serial port."""

from __future__ import annotations

import json
import os
import pty
import shlex
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import wasmtime
from insitu import aot, places
from insitu.board import boards
from insitu.errors import InsituError
from insitu.flash.write import flashed
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated, flash_of, stock_firmware
from insitu.package.deploy import METHODS
from insitu.session.session import Session
from insitu.telemetry import ask, record
from insitu.toolchain import compile_c

from examples import demo
from tests.cli.conftest import Command, refused, trapped

APP = """(module
  (import "env" "note" (func $note (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "in flash")
  (global (export "__data_end") i32 (i32.const 8)) (global (export "__heap_base") i32 (i32.const 8))
  (func (export "sum") (param i32 f64) (result f64)
    (call $note (local.get 0)) (f64.add (f64.convert_i32_s (local.get 0)) (local.get 1)))
  (func (export "die") (call $note (i32.const 1)) unreachable)
  (func (export "ask") (result i32) (call $note (i32.const 2)) (i32.const 3)))"""
_NONE = "no firmware for qemu_rv32: `insitu firmware -b qemu_rv32 --build` makes "
NAMES = ["qemu_mps2_an385", "qemu_rv32", "qemu_stm32f405"]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that stands for the one that keeps flash contents from run to run."""
    monkeypatch.setattr("insitu.places.flash_file", lambda board: tmp_path / f"{board.name}.bin")
    return tmp_path


# --- without a device ---


def test_boards(insitu: Command) -> None:
    found = insitu("boards", "--json").json
    rows, others = found["boards"], found["unsupported"]
    assert {row["name"]: row["target"] for row in rows}.items() >= {
        "qemu_mps2_an385": "cortex-m3",
        "qemu_stm32f405": "cortex-m4f",
        "qemu_rv32": "rv32imc",
    }.items()
    assert {row["hardware"] for row in rows} == {"not tried"}
    head, *lines = insitu("boards").out.splitlines()
    assert head.split()[:3] == ["board", "chip", "builds"]
    assert [line.split()[0] for line in lines] == [row["name"] for row in (*rows, *others)]
    assert {other["name"] for other in others} >= {"esp32", "esp32s2", "esp32s3"}
    assert all(f"is not supported: {other['why']}" in lines[i] for i, other in enumerate(others, len(rows)))


def test_firmware(insitu: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = stock_firmware(boards.load_board("qemu_rv32"))
    assert insitu("firmware", "-b", "qemu_rv32").out == f"{path}\n"
    assert insitu("firmware", "-b", "qemu_rv32", "--json").json == {"board": "qemu_rv32", "firmware": str(path)}
    monkeypatch.setattr("insitu.places.firmware", lambda board, suffix: tmp_path / "none.elf")
    refused(insitu("firmware", "-b", "qemu_rv32"), _NONE)


@pytest.mark.parametrize("command", ["flash", "run", "mem", "firmware"])
def test_wrong_board(insitu: Command, wasm: Callable[..., Path], command: str) -> None:
    app = [wasm(APP)] if command in ("flash", "run") else []
    more = ["--invoke", "die"] if command == "run" else []
    refused(insitu(command, *app, "-b", "qemu_z80", *more), 'no board "qemu_z80"; there are: ')


@pytest.mark.parametrize("command", ["flash", "run"])
def test_missing_file(insitu: Command, tmp_path: Path, command: str) -> None:
    more = ["--invoke", "die"] if command == "run" else []
    for name in ("none.wasm", "none.xip"):
        refused(insitu(command, tmp_path / name, "-b", "qemu_rv32", *more), f"{name}: No such file or directory")


def test_no_qemu(insitu: Command, wasm: Callable[..., Path], state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insitu.machine.qemu.shutil.which", lambda command: None)
    refused(
        insitu("flash", wasm(APP), "-b", "qemu_rv32"),
        "qemu-system-riscv32 is not installed: on Debian, apt-get install qemu-system-arm qemu-system-misc",
        status=3,
    )
    done = insitu("run", wasm(APP), "-b", "qemu_rv32", "--invoke", "die", "--import", "env.note=print")
    refused(done, "qemu-system-riscv32 is not installed", status=3)


def test_no_firmware(insitu: Command, wasm: Callable[..., Path], state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insitu.places.firmware", lambda board, suffix: state / "none.elf")
    refused(insitu("flash", wasm(APP), "-b", "qemu_rv32"), _NONE)


def test_qemu_that_does_not_start(tmp_path: Path, insitu: Command, wasm: Callable[..., Path], state: Path) -> None:
    text = (boards.FOLDER / "qemu_stm32f405.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('machine = "netduinoplus2"', 'machine = "no-such-machine"'))
    path = tmp_path / "mine.toml"
    with pytest.MonkeyPatch.context() as patch:
        path_of = stock_firmware(boards.load_board("qemu_stm32f405"))
        patch.setattr("insitu.places.firmware", lambda board, suffix: path_of)
        done = insitu("flash", wasm(APP), "-b", path)
    assert done.status == 3
    assert "qemu-system-arm did not start: " in done.err
    assert "unsupported machine type" in done.err


def test_an_image_that_does_not_fit(insitu: Command, wasm: Callable[..., Path], state: Path) -> None:
    text = (boards.FOLDER / "qemu_rv32.toml").read_text().replace("size = 0x1F00000", "size = 0x100")
    (state / "small.toml").write_text(text)
    done = insitu("flash", wasm(APP), "-b", state / "small.toml")
    refused(done, "the image has ", "small has 256 for images")
    assert not (state / "small.bin").exists()


def test_mem_usage(insitu: Command, state: Path) -> None:
    for arguments in ((), ("-b", "qemu_rv32", "--listen")):
        assert insitu("mem", *arguments).status == 2
    refused(insitu("mem", "--port", "/dev/no-such-port"), "cannot open /dev/no-such-port: ", status=3)
    for name in ("qemu_rv32", "qemu_stm32f405"):
        refused(insitu("mem", "-b", name), f"no image is flashed on {name}: run `insitu flash APP.xip -b {name}`")


def test_mem_without_a_prompt(insitu: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insitu.link.raw_repl.Link._enter_raw", _impatient(Link._enter_raw))
    master, slave = pty.openpty()
    refused(insitu("mem", "--port", os.ttyname(slave)), "no MicroPython prompt within", status=3)
    os.close(master)
    os.close(slave)


def _impatient(enter: Callable[[Link], None]) -> Callable[[Link], None]:
    def impatient(link: Link) -> None:
        link.timeout = 0.5
        enter(link)

    return impatient


# --- on QEMU boards ---


@pytest.mark.qemu
@pytest.mark.parametrize("name", NAMES)
def test_flash(insitu: Command, wasm: Callable[..., Path], state: Path, name: str) -> None:
    source = wasm(APP)
    board = boards.load_board(name)
    image = aot.compile_wasm(source.read_bytes(), board.target)
    done = insitu("flash", source, "-b", name, "--json")
    assert done.json == {
        "board": name,
        "address": board.image.address,
        "size": len(image),
        "crc": zlib.crc32(image),
        "writer": "emulated",
        "read_back": True,
    }
    with emulated(board, [(board.image.address, image)]) as machine, machine.link() as link:
        code = f"import uctypes; print(bytes(uctypes.bytearray_at({board.image.address}, {len(image)})).hex())"
        assert bytes.fromhex(link.run(code).decode()) == image


WRITE_WORD = """
from machine import mem32
def write(address, value):
    for command in (0x00600060, 0x00d000d0, 0x00400040, value):
        mem32[address] = command
    while mem32[address] & 0x00800080 != 0x00800080: pass
    mem32[address] = 0x00ff00ff
write({address}, 0x600dcafe)
"""


@pytest.mark.qemu
def test_the_flash_chip_keeps_what_is_written(insitu: Command, wasm: Callable[..., Path], state: Path) -> None:
    board = boards.load_board("qemu_rv32")
    assert insitu("flash", wasm(APP), "-b", board.name).status == 0
    far = board.image.address + 0x100000
    with emulated(board, [], flash_file=places.flash_file(board)) as machine, machine.link() as link:
        link.run(WRITE_WORD.format(address=far))
    run = insitu("run", wasm(APP), "-b", board.name, "--invoke", "ask", "--import", "env.note=print")
    assert (run.status, run.out) == (0, "2\n3\n")
    with emulated(board, [], flash_file=places.flash_file(board)) as machine, machine.link() as link:
        words = f"from machine import mem32; print(hex(mem32[{far}]), hex(mem32[{board.image.address}]))"
        assert link.run(words).split() == [b"0x600dcafe", b"0x58534e49"]
    found = insitu("mem", "-b", board.name, "--json").json
    assert found["modules"][0]["address"] == board.image.address


@pytest.mark.qemu
@pytest.mark.parametrize("name", NAMES)
def test_run(insitu: Command, wasm: Callable[..., Path], state: Path, name: str) -> None:
    """An f64 keeps all its bits, though the firmware's floats have 32."""
    run = ("run", wasm(APP), "-b", name, "--import", "env.note=print", "--invoke")
    done = insitu(*run, "sum", "7", "0.1")
    assert (done.status, done.out, done.err) == (0, "7\n7.1\n", "")


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["qemu_rv32", "qemu_stm32f405"])
def test_what_runs_is_in_flash_then(insitu: Command, wasm: Callable[..., Path], state: Path, name: str) -> None:
    """On every board, whatever was flashed before; mem shows it, and says how to run it again."""
    board = boards.load_board(name)
    other = aot.compile_wasm(wasm('(module (func (export "other")))').read_bytes(), board.target)
    flash_of(board).write(board.image.address, other)
    source = wasm(APP)
    assert insitu("run", source, "-b", name, "--sim", "--import", "env.note=print", "--invoke", "ask").status == 0
    assert flashed(board) == other
    assert insitu("run", source, "-b", name, "--import", "env.note=print", "--invoke", "ask").status == 0
    image = aot.compile_wasm(source.read_bytes(), board.target, aot.Options(interruptible=True))
    assert flashed(board) == image
    shown = insitu("mem", "-b", name).out
    assert f"{len(image)} " in shown
    again = shlex.split(shown.splitlines()[-1])
    assert again[:2] == ["insitu", "run"]
    done = insitu(*again[1:], "--sim")
    assert (done.status, done.out.startswith("0\n0\n")) == (0, True), done  # sum(0, 0) notes 0
    assert "operand stack" in done.out


@pytest.mark.parametrize("verb", ["flash", "run"])
def test_an_image_with_a_name_is_not_overwritten(
    insitu: Command, wasm: Callable[..., Path], state: Path, verb: str
) -> None:
    board, app = ("-b", "qemu_stm32f405"), wasm(APP)
    assert insitu("flash", app, *board, "--name", "net").status == 0
    more = ("--invoke", "ask", "--import", "env.note=print") if verb == "run" else ()
    refused(
        insitu(verb, app, *board, *more), "where net lies: give --name, or remove it with `insitu images --remove NAME`"
    )
    assert insitu("images", *board).out.startswith("net version 1 ")
    assert insitu("images", *board, "--remove", "net").status == 0
    if verb == "flash":
        assert insitu(verb, app, *board).status == 0


@pytest.mark.qemu
def test_run_traps(insitu: Command, wasm: Callable[..., Path], state: Path) -> None:
    run = ("run", wasm(APP), "-b", "qemu_stm32f405", "--import", "env.note=print", "--invoke")
    done = insitu(*run, "die")
    assert (done.status, done.out) == (1, "1\n")
    trapped(done, "unreachable", "die", "unreachable")
    refused(insitu(*run, "die", "--heap", "90000"), "qemu_stm32f405 has no 90000 bytes for a global heap")
    refused(insitu(*run, "die", "--heap", "1000"), "no room in the global heap")


@pytest.mark.qemu
def test_an_exception_that_is_not_insitu_s(state: Path, wasm: Callable[..., Path]) -> None:
    board = boards.load_board("qemu_rv32")
    image = aot.compile_wasm(wasm(APP).read_bytes(), board.target)
    prelude = "def note(x):\n    print('noted')\n    return {}[x]\n"
    session = Session(board, image, imports={"env.note": "note"}, prelude=prelude)
    with session, pytest.raises(DeviceError, match="an exception on the device\nTraceback") as caught:
        session.invoke("ask", [])
    text = str(caught.value)
    assert text.endswith("KeyError: 2")
    assert "in note\n" in text


@pytest.fixture(scope="class")
def port() -> Iterator[str]:
    """The serial port of a board with a runtime and an instance."""
    board = boards.load_board("qemu_mps2_an385")
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(APP)), board.target)
    with Session(board, image, imports={"env.note": "print"}, heap=12_345) as session:
        yield session.port


@pytest.mark.qemu
class TestMem:
    def test_text(self, insitu: Command, port: str) -> None:
        done = insitu("mem", "--port", port)
        assert done.status == 0
        assert "global heap" in done.out
        assert "12345" in done.out

    def test_json(self, insitu: Command, port: str) -> None:
        found = insitu("mem", "--port", port, "--json").json
        assert found["global_heap"]["size"] == 12345
        assert found["modules"][0]["address"] == 0x200000
        assert found["exec_envs"][0]["stack_size"] == 2048

    def test_watch(self, insitu: Command, port: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        seconds = iter((0, 0, 1, 2))  # of when it began, and of each snapshot

        def now() -> int:
            if (at := next(seconds, None)) is None:
                raise KeyboardInterrupt
            return at

        monkeypatch.setattr("insitu.telemetry.source.time", SimpleNamespace(monotonic=now))
        kept = tmp_path / "kept.jsonl"
        done = insitu("mem", "--port", port, "--json", "--watch", "--record", kept)
        assert done.status == 130
        snapshots = [json.loads(line) for line in done.out.splitlines()]
        assert [snapshot["global_heap"]["size"] for snapshot in snapshots] == [12345] * 3
        assert 0 < snapshots[0]["micropython_heap"]["largest_free"] < snapshots[0]["micropython_heap"]["size"]
        entries = record.read(kept).entries
        assert [(entry.seconds, entry.snapshot) for entry in entries] == [*enumerate(snapshots)]

    def test_listen(self, insitu: Command, port: str) -> None:
        """A program that prints and sends telemetry by itself, and is not interrupted."""
        with Link(port) as link:
            code = "import insitu.telemetry\nfor i in range(200000):\n  print('sample', i)\n"
            link.start(code + "  if i % 50 == 49: insitu.telemetry.send()\n")
            link.close()
            done = insitu("mem", "--port", port, "--listen", "--json")
            assert done.json["global_heap"]["size"] == 12345


@pytest.mark.qemu
def test_mem_of_a_device_without_insitu(insitu: Command) -> None:
    board = boards.load_board("qemu_stm32f405")
    with emulated(board, []) as machine:
        refused(insitu("mem", "--port", machine.port), "the device has no package `insitu`", status=3)


# --- how the package gets there ---


DEPLOYED = [
    ("qemu_stm32f405", "serial"),  # whose firmware has 96 KiB of heap
    ("qemu_rv32", "serial"),
    ("qemu_stm32f405", "frozen"),
    ("qemu_rv32", "frozen"),
]


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize(("name", "method"), DEPLOYED)
def test_the_demo_deployed(tmp_path: Path, name: str, method: str) -> None:
    """The demo's program writes what it writes under wasmtime, and no ROM partition is there."""
    board = boards.load_board(name)
    wasm = compile_c(demo.SOURCE, tmp_path / "fir.wasm").read_bytes()
    imports = {"adc.read": "adc_read", "uart.write": "uart_write"}
    image = aot.compile_wasm(wasm, board.target)
    assert METHODS[method].contents(board) == []
    with Session(board, image, imports=imports, prelude=demo.DEVICE_IMPORTS, heap=8192, deploy=method) as session:
        session.invoke("init", [demo.SAMPLE_RATE, demo.CUTOFF])
        printed, _ = session.invoke("process", [demo.BLOCKS])
        where = session.run("import sys; print('/rom' in sys.path, '/ram' in sys.path)").split()
        memory = ask.snapshot(session.link)
        # what is loaded again, and texts that were never loaded before
        session.run("mod = rt.load(mod.base)")
        with pytest.raises(InsituError, match="no image at 0x.*: it does not begin with INSX; was it flashed"):
            session.run("rt.load(rt.heap.base)")
    assert printed == demo.expected(wasm)
    assert where == [b"False", b"True" if method == "serial" else b"False"]
    assert memory["exec_envs"][0]["stack_peak"] > 0
