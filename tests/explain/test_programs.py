"""Traps of programs in C, Rust and AssemblyScript: functions and instructions as wasmtime has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime
from insitu import aot
from insitu.board import boards
from insitu.commands.build import built
from insitu.explain.code_map import read_map
from insitu.explain.explain import Explanation, explain, understand
from insitu.explain.make import code_map
from insitu.session.session import RunError, Session

from tests.explain.test_traps import WASM, backtrace, frames
from tests.explain.test_traps import explained as explained_trap
from tests.toolchains.table import MODULES, Module

_SOURCES = Path(__file__).parent / "sources"
_DEPTH = 3


def _module(name: str, source: str, *options: str) -> Module:
    """The table's row, for another source and with names and lines left in."""
    row = next(row for row in MODULES if row.name == name)
    command = [word for word in row.command if word not in ("-Wl,--strip-all", "strip=symbols")]
    if command[-1] == "-C":
        command.pop()
    return replace(row, variant=source, source=str(_SOURCES / source), command=[*command, *options])


_C, _RUST = _module("zig-nostdlib", "traps.c", "-g"), _module("rust-no_std", "traps.rs", "-g")
_ASSEMBLYSCRIPT = _module("AssemblyScript-no-heap", "traps.ts", "--debug", "--sourceMap", "--initialMemory", "1")
_EMSCRIPTEN = _module("emsdk-no-libc-used", "traps.c", "-gsource-map")
# Kinds of traps that are left out are those whose instructions LLVM makes one: docs/explain.md says what is told then.
_ROWS = (
    *((_C, range(6), board) for board in ("rpi_pico", "qemu_stm32f405", "qemu_rv32")),
    (_RUST, range(1, 6), "rpi_pico"),
    (_ASSEMBLYSCRIPT, (0, 1, 2, 3), "qemu_stm32f405"),
)


def _backtrace(wasm: bytes, kind: int) -> list[tuple[int, int]]:
    """Functions' indices and file offsets, last called first, by wasmtime."""
    store = wasmtime.Store()
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), [])
    with pytest.raises(wasmtime.Trap) as caught:
        instance.exports(store)["walk"](store, kind, _DEPTH)  # type: ignore[operator]
    return [(frame.func_index, frame.module_offset) for frame in caught.value.frames]


def _differ(explanation: Explanation, wanted: list[tuple[int, int]]) -> list[object]:
    """Frames that are told otherwise. Of several instructions one must be right; a call may be said to be not sure."""
    pairs = zip(explanation.frames, wanted, strict=True)
    return [
        (frame, right)
        for frame, right in pairs
        if frame.sure and right not in [(spot.function, spot.offset) for spot in frame.spots]
    ]


@pytest.mark.parametrize(
    ("module", "kinds", "board"), _ROWS, ids=[f"{module.name} {board}" for module, _, board in _ROWS]
)
def test_a_program_s_traps_are_where_wasmtime_has_them(
    module: Module, kinds: Sequence[int], board: str, tmp_path: Path
) -> None:
    if module.missing:
        pytest.skip(module.missing)
    wasm, found = module.compile(tmp_path), boards.load_board(board)
    made = aot.compile_module(wasm, found.target, located=True)
    known = code_map(made)
    with Session(found, made.image, imports={}, sim=True) as session:
        for kind in kinds:
            with pytest.raises(RunError) as caught:
                session.invoke("walk", [kind, _DEPTH])
            said, wanted = explain(known, understand(caught.value.dump)), _backtrace(wasm, kind)
            assert not _differ(said, wanted), f"kind {kind}"


@pytest.mark.parametrize(
    ("module", "divides", "remains", "walks"),
    [
        (_ASSEMBLYSCRIPT, "kind == 2", "kind == 3", "return step(kind, depth) * 2;"),
        (_EMSCRIPTEN, "case 2:", "case 3:", "return step(kind, depth) * 2;"),
    ],
    ids=["AssemblyScript", "Emscripten"],
)
def test_lines_of_a_source_map(module: Module, divides: str, remains: str, walks: str, tmp_path: Path) -> None:
    """Each mark is in one line of the source."""
    if module.missing:
        pytest.skip(module.missing)
    module.compile(tmp_path)
    app, source = tmp_path / f"{module.name}.wasm", Path(module.source)
    made = built(app, boards.load_board("qemu_stm32f405")).map()
    assert made is not None
    known = read_map(app, made)

    def of_the_line(mark: str) -> str:
        (line,) = (number for number, text in enumerate(source.read_text().splitlines(), 1) if mark in text)
        return f"{source.name}:{line}"

    for text, mark in (("i32.div_s", divides), ("i32.rem_s", remains)):
        (place,) = {spot.place for spot in known.spots if spot.text == text}
        assert place.endswith(of_the_line(mark))
    (place,) = (place for name, place in known.functions if name.split("/")[-1] == "walk")
    assert place.endswith(of_the_line(walks))


@pytest.mark.qemu
def test_on_a_board() -> None:
    board = boards.load_board("qemu_rv32")
    made = aot.compile_module(WASM, board.target, located=True)
    with Session(board, made.image, imports={"env.f": "lambda _: None"}) as session:
        traps = {name: frames(explained_trap(session, code_map(made), name, -16)) for name in ("load", "null", "large")}
    assert traps == {name: backtrace(WASM, name, -16) for name in traps}
