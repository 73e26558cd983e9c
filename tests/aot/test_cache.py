"""What was built before: found again, and not found where it would be wrong."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wasmtime
from insitu import aot
from insitu.aot import cache
from insitu.aot.options import Options
from insitu.board.boards import load_board
from insitu.commands import build
from insitu.errors import InsituError

_BOARD = load_board("qemu_stm32f405")
_MODULE = '(module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Targets of the modules that were compiled."""
    made, compile_module = [], build.compile_module

    def noted(data: bytes, target: str, options: Options, *, located: bool) -> aot.Compiled:
        made.append(target)
        return compile_module(data, target, options, located=located)

    monkeypatch.setattr(build, "compile_module", noted)
    return made


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm(_MODULE)))
    return path


def test_a_second_build_compiles_nothing(folder: Path, compiled: list[str], app: Path) -> None:
    first, second = build.built(app, _BOARD), build.built(app, _BOARD)
    assert (first.image, first.map()) == (second.image, second.map())
    assert compiled == ["cortex-m4f"]
    assert build.built(app, _BOARD, cached=False).image == first.image
    assert len(compiled) == 2


def test_other_input_and_options_are_other_entries(folder: Path, compiled: list[str], app: Path) -> None:
    images = {
        build.build(app, _BOARD),
        build.build(app, _BOARD, Options(app_heap=64)),
        build.build(app, _BOARD, Options(window=0)),
        build.built(app, _BOARD, Options(optimise="size")).image,
        build.build(app, load_board("qemu_rv32")),
    }
    assert len(compiled) == 5 and len(images) >= 4  # the smallest of so short a module is the fastest, too
    app.write_bytes(bytes(wasmtime.wat2wasm(_MODULE.replace('"f"', '"g"'))))
    assert build.build(app, _BOARD) not in images


def test_another_insitu_has_other_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.key(b"module", "target")
    assert before == cache.key(b"module", "target")
    monkeypatch.setattr(cache, "_makers", lambda: b"another")
    assert before != cache.key(b"module", "target")


def test_a_damaged_entry_is_built_anew(folder: Path, compiled: list[str], app: Path) -> None:
    image = build.build(app, _BOARD)
    (entry,) = folder.iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:-1], whole[:10], b"", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
        entry.write_bytes(damaged)
        assert build.build(app, _BOARD) == image
        assert entry.read_bytes() == whole
    assert len(compiled) == 5


def test_a_module_that_is_refused_is_refused_again(folder: Path, app: Path) -> None:
    app.write_bytes(bytes(wasmtime.wat2wasm(_MODULE))[:-1])
    for _ in range(2):
        with pytest.raises(InsituError):
            build.build(app, _BOARD)


def test_it_stays_small_and_keeps_what_was_used_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST", 3 * (32 + 1000))
    for n in range(3):
        cache.put(f"{n}", bytes([n]) * 1000)
        os.utime(folder / f"{n}", ns=(n + 1, n + 1))
    assert cache.get("0") == bytes(1000)  # which is a use
    cache.put("3", bytes(1000))
    assert [cache.get(f"{n}") is not None for n in range(4)] == [True, False, True, True]


def test_builds_side_by_side_see_whole_entries(folder: Path) -> None:
    data = {n: bytes([n]) * 5000 for n in range(4)}

    def work(n: int) -> bool:
        cache.put("entry", data[n % 4])
        return cache.get("entry") in data.values()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
    assert [path.name for path in folder.iterdir()] == ["entry"]


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(cache, "folder", lambda: file / "below")
    cache.put("entry", b"image")
    assert cache.get("entry") is None
