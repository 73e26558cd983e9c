"""A program of C's library that works with files: as under wasmtime, in the simulator and under MicroPython."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from insitu.toolchain import to_wasm

from tests.cli.conftest import Command

_HERE = Path(__file__).parent
_BOARD = ("-b", "qemu_mps2_an385")
_WORDS = ("one", "two words")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("wasi") / "files.wasm"
    to_wasm(_HERE / "files.c", made)
    return made


@pytest.fixture(scope="module")
def wanted(app: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int, dict[str, bytes]]:
    """Under wasmtime: output, exit code, the files that are left."""
    folder = tmp_path_factory.mktemp("wasmtime")
    (folder / "data").mkdir()
    engine = wasmtime.Engine()
    linker, store, config = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
    linker.define_wasi()
    config.argv, config.env = ("app", *_WORDS), [("LEVEL", "2")]
    config.preopen_dir(str(folder / "data"), "/data")
    config.stdout_file = str(folder / "stdout")
    store.set_wasi(config)
    start = linker.instantiate(store, wasmtime.Module(engine, app.read_bytes())).exports(store)["_start"]
    with pytest.raises(wasmtime.ExitTrap) as end:
        start(store)  # type: ignore[operator]
    assert end.value.code is not None
    return (folder / "stdout").read_text(), end.value.code, _files(folder / "data")


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_in_the_simulator(
    insitu: Command, app: Path, wanted: tuple[str, int, dict[str, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    more = ("--env", "LEVEL=2", "--dir", f"{tmp_path}/data::/data")
    done = insitu("run", app, *_BOARD, "--sim", *more, "--", *_WORDS)
    assert (done.out, done.status, _files(tmp_path / "data")) == wanted
    assert wanted[2] == {"sub/moved.txt": b"oNE\ntwo\n"}


@pytest.mark.qemu
def test_under_micropython(insitu: Command, app: Path, wanted: tuple[str, int, dict[str, bytes]]) -> None:
    """The firmware has no file system to write to, and gets one of Python."""
    more = ("--env", "LEVEL=2", "--dir", "/data", "--import-from", _HERE / "ram_files.py")
    done = insitu("run", app, *_BOARD, *more, "--", *_WORDS)
    assert (done.out, done.status) == wanted[:2], done.err


# The first thread waits until the second has written its number and the word at 4; it exits with both.
THREADS = """(module
  (import "env" "memory" (memory 1 1 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (func (export "_start")
    (i32.store (i32.const 4) (i32.const 40))
    (drop (call $spawn (i32.const 4)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
    (call $exit (i32.load (i32.const 0))))
  (func (export "wasi_thread_start") (param $number i32) (param $at i32)
    (i32.atomic.store (i32.const 0) (i32.add (local.get $number) (i32.load (local.get $at))))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))))"""


def test_threads(insitu: Command, tmp_path: Path) -> None:
    (tmp_path / "threads.wasm").write_bytes(wasmtime.wat2wasm(THREADS))
    done = insitu("run", tmp_path / "threads.wasm", *_BOARD, "--sim")
    assert (done.out, done.status) == ("", 41)
    done = insitu("run", tmp_path / "threads.wasm", *_BOARD, "--sim", "--invoke", "wasi_thread_start", "1", "4")
    assert done.status == 1 and "only what takes and gives nothing is called" in done.err
