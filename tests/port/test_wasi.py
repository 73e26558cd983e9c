"""WASI on the simulated CPU: what a program hears, against the standard's numbers and wasmtime's output."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot

from tests.port.conftest import FLASH, TARGETS, image

_TYPES = {
    "fd_write": "i32 i32 i32 i32",
    "fd_read": "i32 i32 i32 i32",
    "fd_seek": "i32 i64 i32 i32",
    "fd_close": "i32",
    "fd_fdstat_get": "i32 i32",
    "environ_sizes_get": "i32 i32",
    "environ_get": "i32 i32",
    "args_sizes_get": "i32 i32",
    "args_get": "i32 i32",
    "clock_res_get": "i32 i32",
    "clock_time_get": "i32 i64 i32",
    "random_get": "i32 i32",
    "sched_yield": "",
    "path_link": "i32 i32 i32 i32 i32 i32 i32",
}


def _text() -> str:
    """Each function imported, and exported again under its own name through a function of the module."""
    imports, exports = [], []
    for name, types in _TYPES.items():
        gets = " ".join(f"(local.get {i})" for i in range(len(types.split())))
        imports.append(f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {types}) (result i32)))')
        exports.append(f'(func (export "{name}") (param {types}) (result i32) (call ${name} {gets}))')
    imports.append('(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))')
    exports.append('(func (export "_start") (call $exit (i32.const 3)))')
    return f'(module {" ".join(imports)} (memory (export "memory") 1) {" ".join(exports)})'


class Wasmtime:
    """The same module on wasmtime's WASI."""

    def __init__(self, folder: Path, *, args: tuple[str, ...], env: dict[str, str], stdin: bytes) -> None:
        engine = wasmtime.Engine()
        linker, self.store, config = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
        linker.define_wasi()
        (folder / "stdin").write_bytes(stdin)
        self.stdout = folder / "stdout"
        config.argv, config.env = args, list(env.items())
        config.stdin_file, config.stdout_file = str(folder / "stdin"), str(self.stdout)
        self.store.set_wasi(config)
        module = wasmtime.Module(engine, wasmtime.wat2wasm(_text()))
        self.exports: Any = linker.instantiate(self.store, module).exports(self.store)

    def call(self, name: str, *arguments: int) -> int:
        return int(self.exports[name](self.store, *arguments))

    def put(self, at: int, data: bytes) -> None:
        self.exports["memory"].write(self.store, data, at)

    def first(self, length: int) -> bytes:
        return bytes(self.exports["memory"].read(self.store, 0, length))


class Program:
    """The module with a Wasi, its console a buffer."""

    def __init__(self, target: str, **options: Any) -> None:
        cpu = insitu.sim.install(insitu.sim.Cpu(target))
        from insitu import port
        from insitu.port.host import wasi

        cpu.map_flash(FLASH[target], image(_text(), target))
        self.console = io.BytesIO()
        files = {1: self.console, 2: self.console, **options.pop("files", {})}
        self.wasi = wasi.Wasi(files=files, **options)
        module = port.Runtime(bytearray(100_000)).load(FLASH[target])
        self.instance = module.instantiate(imports=self.wasi.imports(module))
        self.wasi.bind(self.instance)
        self.memory = self.instance.memory

    def call(self, name: str, *arguments: int) -> int:
        return int(self.instance.lookup_function(name)(*arguments))

    def word(self, at: int) -> int:
        return int.from_bytes(self.memory.read(at, 4), "little")

    def put(self, at: int, *words: int) -> None:
        self.memory.write(at, b"".join(word.to_bytes(4, "little") for word in words))


@pytest.fixture(params=TARGETS)
def target(request: Any) -> str:
    return str(request.param)


def test_writes_gather_buffers(target: str) -> None:
    program = Program(target)
    program.memory.write(100, b"hello, world\n")
    program.put(0, 100, 7, 107, 6)
    assert program.call("fd_write", 1, 0, 2, 40) == 0
    assert program.console.getvalue() == b"hello, world\n"
    assert program.word(40) == 13


def test_errors_have_the_standard_s_numbers(target: str) -> None:
    program = Program(target)
    assert program.call("fd_write", 9, 0, 0, 40) == 8  # badf
    program.put(0, 0xFFFFFFF0, 100)
    assert program.call("fd_write", 1, 0, 1, 40) == 21  # fault
    assert program.call("fd_write", 1, 65535, 1, 40) == 21
    assert program.call("fd_seek", 1, 0, 0, 40) == 70  # spipe
    assert program.call("path_link", *[0] * 7) == 52  # nosys
    assert program.console.getvalue() == b""


def test_files(target: str) -> None:
    file = io.BytesIO(b"0123456789")
    program = Program(target, files={5: file})
    program.put(0, 200, 4)
    assert program.call("fd_seek", 5, 3, 0, 40) == 0
    assert program.word(40) == 3
    assert program.call("fd_read", 5, 0, 1, 48) == 0
    assert (program.word(48), program.memory.read(200, 4)) == (4, b"3456")
    assert program.call("fd_seek", 5, -2, 2, 40) == 0
    assert program.call("fd_read", 5, 0, 1, 48) == 0
    assert program.word(48) == 2
    assert program.call("fd_seek", 5, 0, 3, 40) == 28  # inval
    assert program.call("fd_fdstat_get", 5, 80) == 0
    assert program.memory[80] == 4  # regular file
    assert program.call("fd_fdstat_get", 1, 80) == 0
    assert program.memory[80] == 2  # character device
    assert [program.call("fd_close", 5), program.call("fd_close", 5)] == [0, 8]
    assert file.closed


def test_arguments_and_environment(target: str) -> None:
    program = Program(target, args=("app", "-x"), env={"A": "b"})
    assert program.call("args_sizes_get", 0, 4) == 0
    assert (program.word(0), program.word(4)) == (2, 7)
    assert program.call("args_get", 16, 64) == 0
    assert (program.word(16), program.word(20), program.memory.read(64, 7)) == (64, 68, b"app\0-x\0")
    assert program.call("environ_sizes_get", 0, 4) == 0
    assert (program.word(0), program.word(4)) == (1, 4)
    assert program.call("environ_get", 16, 64) == 0
    assert program.memory.read(64, 4) == b"A=b\0"


def test_clock_and_random(target: str) -> None:
    program = Program(target, clock=lambda number: 0x1234567890 + number, random=lambda n: b"r" * n)
    assert program.call("clock_time_get", 0, 1, 8) == 0
    assert program.memory.read(8, 8) == (0x1234567890).to_bytes(8, "little")
    assert program.call("clock_res_get", 1, 8) == 0
    assert program.memory.read(8, 8) == (1000).to_bytes(8, "little")  # nanoseconds in a microsecond
    assert program.call("random_get", 32, 3) == 0
    assert program.memory.read(32, 4) == b"rrr\0"
    assert program.call("random_get", 65534, 3) == 21
    assert program.call("sched_yield") == 0
    without = Program(target, clock=lambda number: None, random=lambda n: None)
    assert without.call("clock_time_get", 0, 1, 8) == without.call("clock_res_get", 0, 8) == 52
    assert without.call("random_get", 32, 3) == 52


def test_exit(target: str) -> None:
    program = Program(target)
    assert program.wasi.start() == 3
    assert program.call("sched_yield") == 0


def test_what_is_not_imported_is_not_made() -> None:
    text = '(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))))'
    insitu.sim.install(insitu.sim.Cpu("cortex-m3")).map_flash(
        FLASH["cortex-m3"], aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), "cortex-m3")
    )
    from insitu import port
    from insitu.port.host import wasi

    module = port.Runtime(bytearray(4096)).load(FLASH["cortex-m3"])
    found = wasi.Wasi().imports(module, {"env": {"f": print}})
    assert sorted(found) == ["env", "wasi_snapshot_preview1"]
    assert list(found["wasi_snapshot_preview1"]) == ["sched_yield"]


_STDIN = b"first\nsecond line\nthird"
_HELLO, _PLACES = 512, 600
# Calls that both answer, one after the other. Buffers for reading lie at 700 and 720, an iovec array at 0.
_CALLS = [
    ("args_sizes_get", 40, 44), ("args_get", 48, 64), ("environ_sizes_get", 40, 44), ("environ_get", 48, 64),
    ("fd_write", 1, _PLACES, 2, 40), ("fd_write", 0, _PLACES, 2, 40), ("fd_write", 9, 0, 0, 40),
    ("fd_write", 1, _PLACES, 0, 40), ("fd_read", 1, _PLACES, 2, 40), ("fd_read", 0, 0, 1, 40),
    ("fd_read", 0, 0, 1, 40), ("fd_seek", 0, 0, 0, 40), ("fd_seek", 1, 0, 1, 40), ("fd_seek", 9, 0, 0, 40),
    ("fd_fdstat_get", 7, 80), ("sched_yield",), ("fd_close", 9), ("fd_close", 1), ("fd_close", 1),
    ("fd_write", 1, _PLACES, 2, 40),
]  # fmt: skip


def test_the_same_as_wasmtime(target: str, tmp_path: Path) -> None:
    """Each call's answer and the memory after it."""
    args, env = ("app", "-x", ""), {"HOME": "/", "A": "b=c"}
    theirs = Wasmtime(tmp_path, args=args, env=env, stdin=_STDIN)
    ours = Program(target, args=args, env=env, files={0: io.BytesIO(_STDIN)})
    data = {_HELLO: b"hello, world\n", _PLACES: struct.pack("<4I", _HELLO, 7, _HELLO + 7, 6)}
    data[0] = struct.pack("<2I", 700, 3)
    for at, words in data.items():
        theirs.put(at, words)
        ours.memory.write(at, words)
    for name, *arguments in _CALLS:
        assert ours.call(name, *arguments) == theirs.call(name, *arguments), (name, arguments)
        if (name, arguments[:1]) == ("fd_write", [1]):  # wasmtime takes one buffer at a time
            theirs.put(40, ours.memory.read(40, 4))
        assert ours.memory.read(0, 1024) == theirs.first(1024), (name, arguments)
    assert ours.console.getvalue() == b"hello, world\n"
    assert ours.console.getvalue().startswith(theirs.stdout.read_bytes())


def test_the_console_is_read_by_lines(target: str) -> None:
    """Nobody types a whole buffer ahead."""
    program = Program(target, files={0: io.BytesIO(_STDIN)})
    program.put(0, 200, 4, 204, 100)
    lines = []
    for _ in range(4):
        assert program.call("fd_read", 0, 0, 2, 40) == 0
        lines.append(program.memory.read(200, program.word(40)))
    assert lines == [b"first\n", b"second line\n", b"third", b""]


def test_pointers_are_checked_before_anything_happens(target: str) -> None:
    asked: list[int] = []

    def random(length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    file = io.BytesIO(_STDIN)
    program = Program(target, random=random, files={5: file})
    program.put(0, 200, 4, 0xFFFFFFF0, 100)  # the second one is not in memory
    for name, *arguments in [
        ("fd_write", 1, 0, 2, 40), ("fd_write", 1, 0, 1, 65533), ("fd_write", 1, 0, -1, 40),
        ("fd_write", 1, 0, 8193, 40),
        ("fd_read", 5, 0, 2, 40), ("fd_read", 5, 0, 1, -4), ("fd_seek", 5, 1, 0, 65529), ("fd_fdstat_get", 1, 65513),
        ("random_get", 0, -1), ("random_get", -1, 1), ("random_get", 1, 65536), ("clock_time_get", 0, 0, 65529),
        ("args_sizes_get", 65533, 0), ("environ_sizes_get", 0, 65533),
    ]:  # fmt: skip
        assert program.call(name, *arguments) == 21, (name, arguments)
    assert (program.console.getvalue(), file.tell(), asked) == (b"", 0, [])
    assert program.call("random_get", 0, 65536) == 0
    assert (sum(asked), max(asked)) == (65536, 64)


def test_numbers_out_of_range(target: str) -> None:
    program = Program(target, files={5: io.BytesIO(_STDIN)})
    assert program.call("fd_seek", 5, -1, 0, 40) == 28
    assert program.call("fd_seek", 5, 1 << 40, 0, 40) == 28
    assert program.call("fd_seek", 5, 0, -1, 40) == 28
    assert program.call("clock_time_get", 4, 0, 40) == 28
    assert program.call("clock_time_get", -1, 0, 40) == program.call("clock_res_get", 4, 40) == 28
    assert program.call("fd_fdstat_get", -1, 40) == 8
    assert program.memory.read(40, 8) == bytes(8)


def _module(text: str) -> Any:
    insitu.sim.install(insitu.sim.Cpu("cortex-m3")).map_flash(FLASH["cortex-m3"], image(text, "cortex-m3"))
    from insitu import port

    return port.Runtime(bytearray(100_000)).load(FLASH["cortex-m3"])


@pytest.mark.parametrize("name", ["_init__", "put", "view", "function", "path_link"])
def test_only_the_standard_s_names_are_answered(name: str) -> None:
    """What is not one of them is ENOSYS, whatever the Python class may call its own."""
    module = _module(
        f'(module (import "wasi_snapshot_preview1" "{name}" (func $f (param i32 i32) (result i32)))'
        '(func (export "f") (result i32) (call $f (i32.const 0) (i32.const 0))))'
    )
    from insitu.port.host import wasi

    program = wasi.Wasi()
    instance = module.instantiate(imports=program.imports(module))
    program.bind(instance)
    assert instance.exports.f() == 52


@pytest.mark.parametrize(("name", "type_"), [("fd_close", "(param i64) (result i32)"), ("fd_sync", "(param i32)")])
def test_a_function_of_another_type_is_refused(name: str, type_: str) -> None:
    module = _module(f'(module (import "wasi_snapshot_preview1" "{name}" (func {type_})))')
    from insitu.port import errors
    from insitu.port.host import wasi

    with pytest.raises(errors.LinkError, match=f"incompatible import type: wasi_snapshot_preview1.{name} is "):
        wasi.Wasi().imports(module)


def test_a_start_function_may_print() -> None:
    """It runs before the instance can be bound."""
    module = _module(
        '(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))'
        '(memory 1) (data (i32.const 0) "\\08\\00\\00\\00\\02\\00\\00\\00hi")'
        "(func $go (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))) (start $go))"
    )
    from insitu.port import errors
    from insitu.port.host import wasi

    console = io.BytesIO()
    program = wasi.Wasi(files={1: console})
    program.bind(module.instantiate(imports=program.imports(module)))
    assert console.getvalue() == b"hi"
    with pytest.raises(errors.Error, match="exports neither _start nor _initialize"):
        program.start()


class _Time:
    """A port's time module: its epoch is 2000, its ticks have 30 bits."""

    ticks = (1 << 30) - 1000

    @staticmethod
    def gmtime(_: int) -> tuple[int, ...]:
        return (2000, 1, 1)

    @staticmethod
    def time_ns() -> int:
        return 5

    @classmethod
    def ticks_us(cls) -> int:
        return cls.ticks

    @staticmethod
    def ticks_add(ticks: int, delta: int) -> int:
        return (ticks + delta) & (1 << 30) - 1


def test_the_clock_of_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    from insitu.port.host import wasi

    clock = wasi.Clock()
    monkeypatch.setitem(sys.modules, "time", _Time)
    assert clock(0) == 946684800 * 10**9 + 5
    assert clock(1) == 0
    monkeypatch.setattr(_Time, "ticks", 500)
    assert clock(1) == clock(2) == 1500 * 1000
    monkeypatch.setitem(sys.modules, "time", None)
    assert clock(0) is None
