"""WASI's functions on files: each call's answer and the memory after it, as under wasmtime; and the sandbox."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import insitu.sim
import pytest
import wasmtime

from tests.port.conftest import FLASH, image

TARGET = "cortex-m3"  # nothing here depends on it
_TYPES = {
    "fd_advise": "iIIi", "fd_close": "i", "fd_fdstat_get": "ii", "fd_filestat_get": "ii", "fd_pread": "iiiIi",
    "fd_prestat_dir_name": "iii", "fd_prestat_get": "ii", "fd_pwrite": "iiiIi", "fd_read": "iiii",
    "fd_readdir": "iiiIi", "fd_renumber": "ii",
    "fd_seek": "iIii", "fd_sync": "i", "fd_tell": "ii", "fd_write": "iiii", "path_create_directory": "iii",
    "path_filestat_get": "iiiii", "path_open": "iiiiiIIii", "path_readlink": "iiiiii", "path_remove_directory": "iii",
    "path_rename": "iiiiii", "path_unlink_file": "iii", "poll_oneoff": "iiii",
}  # fmt: skip
_NAME, _BUFFER, _RESULT, _SECOND = 64, 512, 32, 256
_CREATE, _DIRECTORY, _EXCLUSIVE, _TRUNCATE = 1, 2, 4, 8
_READ, _WRITE, _LIST = 0x2 | 0x4 | 0x20, 0x40, 0x4000
_PREOPENED = 3


def _text() -> str:
    """Each function imported, and exported under its own name through a function of the module."""
    imports, exports = [], []
    for name, letters in _TYPES.items():
        types = " ".join({"i": "i32", "I": "i64"}[letter] for letter in letters)
        gets = " ".join(f"(local.get {i})" for i in range(len(letters)))
        imports.append(f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {types}) (result i32)))')
        exports.append(f'(func (export "{name}") (param {types}) (result i32) (call ${name} {gets}))')
    return f'(module {" ".join(imports)} (memory (export "memory") 1) {" ".join(exports)})'


class Side:
    """A module with a folder, called "data", that has a file and a folder with another file."""

    def __init__(self, folder: Path) -> None:
        (folder / "sub").mkdir(parents=True)
        (folder / "note.txt").write_bytes(b"0123456789")
        (folder / "sub" / "deep.txt").write_bytes(b"deep")

    def call(self, name: str, *arguments: int) -> int:
        raise NotImplementedError

    def put(self, at: int, data: bytes) -> None:
        raise NotImplementedError

    def get(self, at: int, length: int) -> bytes:
        raise NotImplementedError

    def path(self, name: str, path: str | bytes, *more: int, before: tuple[int, ...] = ()) -> int:
        """A function of the folder that takes a path."""
        data = path if isinstance(path, bytes) else path.encode()
        self.put(_NAME, data)
        return self.call(name, _PREOPENED, *before, _NAME, len(data), *more)

    def open(self, path: str | bytes, flags: int = 0, rights: int = _READ, fd_flags: int = 0) -> int:
        return self.path("path_open", path, flags, rights, rights, fd_flags, _RESULT, before=(1,))


class Ours(Side):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        cpu = insitu.sim.install(insitu.sim.Cpu(TARGET))
        from insitu import port
        from insitu.port.host import wasi

        cpu.map_flash(FLASH[TARGET], image(_text(), TARGET))
        self.slept: list[int] = []
        self.wasi = wasi.Wasi(folders={"data": str(folder)}, sleep=self.slept.append)
        module = port.Runtime(bytearray(100_000)).load(FLASH[TARGET])
        self.instance = module.instantiate(imports=self.wasi.imports(module))
        self.wasi.bind(self.instance)

    def call(self, name: str, *arguments: int) -> int:
        return int(self.instance.lookup_function(name)(*arguments))

    def put(self, at: int, data: bytes) -> None:
        self.instance.memory.write(at, data)

    def get(self, at: int, length: int) -> bytes:
        return bytes(self.instance.memory.read(at, length))


class Theirs(Side):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        engine = wasmtime.Engine()
        linker, self.store, config = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
        linker.define_wasi()
        config.preopen_dir(str(folder), "data")
        self.store.set_wasi(config)
        module = wasmtime.Module(engine, wasmtime.wat2wasm(_text()))
        self.exports: Any = linker.instantiate(self.store, module).exports(self.store)

    def call(self, name: str, *arguments: int) -> int:
        return int(self.exports[name](self.store, *arguments))

    def put(self, at: int, data: bytes) -> None:
        self.exports["memory"].write(self.store, data, at)

    def get(self, at: int, length: int) -> bytes:
        return bytes(self.exports["memory"].read(self.store, at, at + length))


@pytest.fixture
def ours(tmp_path: Path) -> Ours:
    return Ours(tmp_path / "ours")


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Ours, Theirs]]:
    """At the end the two folders hold the same."""
    yield Ours(tmp_path / "ours"), Theirs(tmp_path / "theirs")
    left, right = ({p.relative_to(top): p.is_file() and p.read_bytes() for p in top.rglob("*")}
                   for top in (tmp_path / "ours", tmp_path / "theirs"))  # fmt: skip
    assert left == right


def _same(both: tuple[Ours, Theirs], act: Any) -> Any:
    left, right = map(act, both)
    assert left == right
    return left


def _word(side: Side) -> int:
    return int.from_bytes(side.get(_RESULT, 4), "little")


def _buffers(side: Side, length: int) -> tuple[int, int]:
    """An iovec array of one buffer: its address and count."""
    side.put(_SECOND, struct.pack("<2I", _BUFFER, length))
    return _SECOND, 1


def test_the_folder_that_was_given(both: tuple[Ours, Theirs]) -> None:
    assert _same(both, lambda side: (side.call("fd_prestat_get", 3, _RESULT), side.get(_RESULT, 8)))[0] == 0
    _same(both, lambda side: (side.call("fd_prestat_dir_name", 3, _BUFFER, 4), side.get(_BUFFER, 8)))
    for fd in (0, 1, 4, 99):
        assert _same(both, lambda side, fd=fd: side.call("fd_prestat_get", fd, _RESULT)) != 0
    assert _same(both, lambda side: (side.call("fd_fdstat_get", 3, _BUFFER), side.get(_BUFFER, 1))) == (0, b"\3")


# what is opened: path, flags, rights; the standard's numbers where wasmtime's are its own
_OPENED: list[tuple[str | bytes, int, int]] = [
    ("note.txt", 0, _READ), ("note.txt", 0, _READ | _WRITE), ("none.txt", 0, _READ), ("none.txt", 0, _WRITE),
    ("new.txt", _CREATE, _WRITE), ("new.txt", _CREATE, _READ | _WRITE), ("note.txt", _CREATE | _EXCLUSIVE, _WRITE),
    ("note.txt", _TRUNCATE, _WRITE), ("sub", 0, _LIST), ("sub", _DIRECTORY, _LIST), ("note.txt", _DIRECTORY, _LIST),
    ("sub/deep.txt", 0, _READ), ("sub/../note.txt", 0, _READ), ("./sub/./deep.txt", 0, _READ), ("", 0, _READ),
    ("sub", 0, _WRITE), ("none/deep.txt", _CREATE, _WRITE), (".", _DIRECTORY, _LIST),
    ("/note.txt", 0, _READ), ("../ours/note.txt", 0, _READ), ("sub/../../x", _CREATE, _WRITE), ("..", 0, _LIST),
    ("/etc/passwd", 0, _READ), ("sub/../../../etc/passwd", 0, _READ), ("note.txt/", 0, _READ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "flags", "rights"), _OPENED)
def test_opening(both: tuple[Ours, Theirs], path: str, flags: int, rights: int) -> None:
    answer = _same(both, lambda side: side.open(path, flags, rights))
    if answer == 0:
        assert _same(both, _word) == 4
        assert _same(both, lambda side: (side.call("fd_fdstat_get", 4, _BUFFER), side.get(_BUFFER, 1)))[0] == 0
        assert _same(both, lambda side: side.call("fd_close", 4)) == 0
    assert _same(both, lambda side: side.call("fd_close", 4)) == 8


def test_reading_writing_and_places(both: tuple[Ours, Theirs]) -> None:
    assert _same(both, lambda side: side.open("note.txt", 0, _READ | _WRITE)) == 0
    for name, *arguments in [
        ("fd_tell", 4, _RESULT), ("fd_tell", 1, _RESULT), ("fd_sync", 4), ("fd_sync", 9), ("fd_advise", 4, 0, 0, 0),
        ("fd_advise", 9, 0, 0, 0), ("fd_filestat_get", 9, _BUFFER), ("fd_pread", 9, _SECOND, 1, 0, _RESULT),
    ]:  # fmt: skip
        _same(both, lambda side, n=name, a=arguments: (side.call(n, *a), side.get(_RESULT, 8)))
    assert both[0].call("fd_advise", 4, 0, 0, 6) == 28  # of which wasmtime makes a trap

    def moved(side: Side) -> list[Any]:
        seen: list[Any] = []
        for name, offset in (("fd_pread", 3), ("fd_pwrite", 8), ("fd_pread", 7), ("fd_pread", 100)):
            side.put(_BUFFER, b"abcd")
            seen.append((side.call(name, 4, *_buffers(side, 4), offset, _RESULT), _word(side), side.get(_BUFFER, 4)))
        seen.append((side.call("fd_read", 4, *_buffers(side, 4), _RESULT), side.get(_BUFFER, 4)))
        seen.append((side.call("fd_seek", 4, -1, 1, _RESULT), side.get(_RESULT, 8)))
        seen.append((side.call("fd_tell", 4, _RESULT), side.get(_RESULT, 8)))
        seen.append((side.call("fd_filestat_get", 4, _BUFFER), side.get(_BUFFER + 16, 1), side.get(_BUFFER + 32, 8)))
        return seen

    assert _same(both, moved)[-1] == (0, b"\4", struct.pack("<Q", 12))


def test_renumbering(both: tuple[Ours, Theirs]) -> None:
    """As C's freopen does: what was there is closed, and what is moved goes on where it was."""

    def moved(side: Side) -> list[Any]:
        assert (side.open("note.txt"), side.open("sub/deep.txt")) == (0, 0)
        seen: list[Any] = [side.call("fd_read", 5, *_buffers(side, 2), _RESULT)]
        for words in ((9, 4), (5, 9), (5, 5), (5, 4), (5, 4)):
            seen.append(side.call("fd_renumber", *words))
        seen.append((side.call("fd_read", 4, *_buffers(side, 9), _RESULT), _word(side), side.get(_BUFFER, 2)))
        seen.append([side.call("fd_close", fd) for fd in (4, 5)])
        return seen

    assert _same(both, moved) == [0, 8, 8, 0, 0, 8, (0, 2, b"ep"), [0, 8]]


def test_output_into_a_file(ours: Ours, tmp_path: Path) -> None:
    """The console cannot be moved: closing it would be the board's."""
    assert ours.open("out.txt", _CREATE, _WRITE) == 0
    assert [ours.call("fd_renumber", *words) for words in ((1, 4), (4, 1))] == [58, 0]
    ours.put(_BUFFER, b"text")
    assert ours.call("fd_write", 1, *_buffers(ours, 4), _RESULT) == 0
    assert (tmp_path / "ours" / "out.txt").read_bytes() == b"text"


def test_appending(both: tuple[Ours, Theirs]) -> None:
    def appended(side: Side) -> list[Any]:
        seen = [side.open("note.txt", 0, _WRITE, fd_flags=1)]
        side.put(_BUFFER, b"more")
        return [*seen, side.call("fd_write", 4, *_buffers(side, 4), _RESULT), side.call("fd_close", 4)]

    assert _same(both, appended) == [0, 0, 0]


def test_changes(both: tuple[Ours, Theirs]) -> None:
    def changed(side: Side) -> list[int]:
        made = [side.path("path_create_directory", "made") for _ in range(2)]
        made += [side.path("path_unlink_file", name) for name in ("note.txt", "note.txt", "none", "../x", "/x")]
        made += [side.path("path_remove_directory", name) for name in ("sub", "sub/deep.txt", "made", "none", "..")]
        side.put(_SECOND, b"moved")
        made += [side.path("path_rename", "sub/deep.txt", 3, _SECOND, 5)]
        made += [side.path("path_rename", "none", 3, _SECOND, 5)]
        side.put(_SECOND, b"../moved")
        made += [side.path("path_rename", "moved", 3, _SECOND, 8)]
        return [*made, side.path("path_remove_directory", "sub"), side.path("path_readlink", "moved", 512, 8, _RESULT)]

    _same(both, changed)


def test_what_a_path_is(both: tuple[Ours, Theirs]) -> None:
    before = time.time()
    for name in ("note.txt", "sub", "sub/deep.txt", ".", "none", "../ours", "/etc/passwd"):

        def stat(side: Side, name: str = name) -> tuple[int, bytes, bytes]:
            answer = side.path("path_filestat_get", name, _BUFFER, before=(1,))
            size = side.get(_BUFFER + 32, 8) if side.get(_BUFFER + 16, 1) == b"\4" else b""
            return answer, side.get(_BUFFER + 16, 1), size

        _same(both, stat)
        (modified,) = struct.unpack("<Q", both[0].get(_BUFFER + 48, 8))
        assert modified == 0 or before - 100 < modified / 1e9 < time.time() + 1


def _entries(side: Side, room: int) -> list[tuple[str, int]]:
    """The folder's entries, read with a buffer of so many bytes, as C's library does; sorted."""
    found, cookie = {}, 0
    while True:
        assert side.call("fd_readdir", 3, _BUFFER, room, cookie, _RESULT) == 0
        used, at = _word(side), 0
        data = side.get(_BUFFER, used)
        while at + 24 <= used:
            cookie_here, _, length, kind = struct.unpack_from("<QQIB", data, at)
            if at + 24 + length > used:
                break
            cookie = cookie_here
            found[data[at + 24 : at + 24 + length].decode()] = kind
            at += 24 + length
        if used < room:
            return sorted(found.items())


@pytest.mark.parametrize("room", [64, 100, 4096])
def test_listing(both: tuple[Ours, Theirs], room: int) -> None:
    assert _same(both, lambda side: _entries(side, room)) == [(".", 3), ("..", 3), ("note.txt", 4), ("sub", 3)]
    assert _same(both, lambda side: side.call("fd_readdir", 9, _BUFFER, room, 0, _RESULT)) == 8


# --- what no program gets at ---


@pytest.mark.parametrize("path", ["..", "../x", "sub/../../x", "/", "/etc/passwd", "./..", "sub/./../..", "//x"])
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("path_open", (1,), (_CREATE, _READ | _WRITE, 0, 0, _RESULT)),
        ("path_filestat_get", (1,), (_BUFFER,)),
        ("path_create_directory", (), ()),
        ("path_remove_directory", (), ()),
        ("path_unlink_file", (), ()),
        ("path_readlink", (), (_BUFFER, 8, _RESULT)),
        ("path_rename", (), (3, _SECOND, 4)),
    ],
)
def test_no_way_leads_out(ours: Ours, tmp_path: Path, name: str, before: Any, after: Any, path: str) -> None:
    (tmp_path / "x").write_text("not yours")
    ours.put(_SECOND, b"mine")
    assert ours.path(name, path, *after, before=before) == 63  # EPERM
    if name == "path_rename":
        ours.put(_SECOND, path.encode())
        assert ours.path(name, "note.txt", 3, _SECOND, len(path)) == 63
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ours", "x"]
    assert (tmp_path / "x").read_text() == "not yours"


@pytest.mark.parametrize("path", ["link", "link/secret", "sub/up/secret", "to file"])
def test_no_link_is_followed(ours: Ours, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("not yours")
    (tmp_path / "ours" / "link").symlink_to(tmp_path)
    (tmp_path / "ours" / "to file").symlink_to(tmp_path / "secret")
    (tmp_path / "ours" / "sub" / "up").symlink_to("../..")
    for flags, rights in ((0, _READ), (_CREATE, _WRITE), (_TRUNCATE, _WRITE), (_DIRECTORY, _LIST)):
        assert ours.open(path, flags, rights) == 32  # ELOOP
    assert ours.path("path_filestat_get", path, _BUFFER, before=(1,)) == 32
    assert (tmp_path / "secret").read_text() == "not yours"


def test_paths_that_are_none(ours: Ours) -> None:
    assert ours.open(b"note.txt\0") == 28
    assert ours.open(b"\xff\xfe") == 28
    assert ours.call("path_open", 3, 0, 65530, 100, 0, _READ, 0, 0, _RESULT) == 21
    assert ours.call("path_open", 3, 0, _NAME, -1, 0, _READ, 0, 0, _RESULT) == 21
    assert ours.call("path_open", 1, 0, _NAME, 4, 0, _READ, 0, 0, _RESULT) == 54
    assert ours.call("path_open", 9, 0, _NAME, 4, 0, _READ, 0, 0, _RESULT) == 8
    ours.put(_NAME, b"note.txt")
    assert ours.call("path_open", 3, 0, _NAME, 8, _CREATE, _WRITE, 0, 0, 65533) == 21  # where its number would go
    assert sorted(ours.wasi.files) == [0, 1, 2, 3]


def test_a_full_or_read_only_file_system(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    for system, wanted in ((28, 51), (30, 69), (12345, 29)):

        def mkdir(_: str, system: int = system) -> None:
            raise OSError(system, "")

        monkeypatch.setattr(os, "mkdir", mkdir)
        assert ours.path("path_create_directory", "made") == wanted


# --- poll_oneoff ---


def _on_clock(userdata: int, clock: int, timeout: int, flags: int = 0) -> bytes:
    return struct.pack("<QB7xI4xQQH6x", userdata, 0, clock, timeout, 0, flags)


def _on_file(userdata: int, kind: int, fd: int) -> bytes:
    return struct.pack("<QB7xI28x", userdata, kind, fd)


def test_sleeping(ours: Ours) -> None:
    ours.put(1024, _on_clock(7, 1, 2_500_000_000) + _on_clock(8, 1, 5_000_000_000))
    assert ours.call("poll_oneoff", 1024, 2048, 2, _RESULT) == 0
    assert sum(ours.slept) == 2500
    assert (_word(ours), ours.get(2048, 32)) == (1, struct.pack("<QHB21x", 7, 0, 0))
    now = ours.wasi.clock(1)
    ours.put(1024, _on_clock(9, 1, now + 1_000_000_000, 1))
    assert ours.call("poll_oneoff", 1024, 2048, 1, _RESULT) == 0
    assert 3400 <= sum(ours.slept) <= 3500
    ours.put(1024, _on_clock(9, 1, max(now - 1, 0), 1))
    assert ours.call("poll_oneoff", 1024, 2048, 1, _RESULT) == 0
    assert sum(ours.slept) <= 3500


def test_files_are_ready(ours: Ours) -> None:
    ours.put(1024, _on_clock(7, 1, 1 << 40) + _on_file(8, 2, 1) + _on_file(9, 1, 55))
    assert ours.call("poll_oneoff", 1024, 2048, 3, _RESULT) == 0
    assert ours.slept == []
    events = struct.pack("<QHB21x", 8, 0, 2) + struct.pack("<QHB21x", 9, 8, 1)
    assert (_word(ours), ours.get(2048, 64)) == (2, events)


def test_what_cannot_be_waited_for(ours: Ours) -> None:
    ours.put(1024, _on_clock(7, 4, 1))
    assert ours.call("poll_oneoff", 1024, 2048, 1, _RESULT) == 28
    assert ours.call("poll_oneoff", 1024, 2048, 0, _RESULT) == 28
    for at, to, count, events in ((65500, 2048, 1, _RESULT), (1024, 65520, 1, _RESULT), (1024, 2048, -1, _RESULT),
                                  (1024, 2048, 1, 65533)):  # fmt: skip
        assert ours.call("poll_oneoff", at, to, count, events) == 21
    assert ours.slept == []
