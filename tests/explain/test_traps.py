"""Where a trap came from: functions and instructions, as wasmtime has them in its backtraces."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import wasmtime
from insitu import aot
from insitu.board import boards
from insitu.errors import InsituError
from insitu.explain.code_map import CodeMap, read_map
from insitu.explain.explain import Explanation, explain, understand
from insitu.explain.make import code_map
from insitu.image.read import read
from insitu.session.session import RunError, Session

# Of each kind of trap a function; `run` calls it by way of another one.
_TRAPS = {
    "unreachable": "unreachable",
    "load": "(drop (i32.load offset=8 (local.get 0)))",
    "store": "(i64.store16 offset=65534 (i32.add (local.get 0) (i32.const 1)) (i64.const 1))",
    "divide": "(drop (i32.div_u (i32.const 7) (i32.sub (local.get 0) (i32.const -16))))",
    "remainder": "(drop (i64.rem_s (i64.const 7) (i64.extend_i32_u (i32.sub (local.get 0) (i32.const -16)))))",
    "overflow": "(drop (i32.div_s (i32.const 0x80000000) (i32.add (local.get 0) (i32.const 15))))",
    "large": "(drop (i32.trunc_f32_u (f32.mul (f32.convert_i32_s (local.get 0)) (f32.const 10))))",
    "nan": "(drop (i64.trunc_f64_s (f64.sqrt (f64.convert_i32_s (local.get 0)))))",
    "type": "(drop (call_indirect (result f32) (i32.add (local.get 0) (i32.const 16))))",
    "undefined": "(call_indirect (local.get 0))",
    "null": "(call_indirect (i32.add (local.get 0) (i32.const 17)))",
    "table": "(drop (table.get 0 (local.get 0)))",
    "fill": "(memory.fill (local.get 0) (i32.const 0) (i32.const 16))",
    "init": "(memory.init 0 (i32.const 0) (i32.const 0) (local.get 0))",
    "copy": "(table.copy (i32.const 0) (i32.const 1) (local.get 0))",
}
_ARGUMENT = -16
_TEXT = "\n".join(
    [
        '(module (import "env" "f" (func $f (param i32)))',
        '(memory (export "memory") 1) (data "four") (table 3 funcref) (elem (i32.const 0) $nothing) (func $nothing)',
        *(f"(func $trap_{name} (param i32) {body})" for name, body in _TRAPS.items()),
        *(
            f"(func $way_{name} (param i32) (call $f (i32.const 1)) (call $trap_{name} (local.get 0)))"
            for name in _TRAPS
        ),
        *(f'(func $run_{name} (export "{name}") (param i32) (call $way_{name} (local.get 0)))' for name in _TRAPS),
        ")",
    ]
)
WASM = bytes(wasmtime.wat2wasm(_TEXT))
_SIMULATED = ("rpi_pico", "qemu_stm32f405", "qemu_rv32")
Frames = list[tuple[str, int]]


def backtrace(wasm: bytes, export: str, argument: int) -> Frames:
    """Names and file offsets, last called first, by wasmtime."""
    store = wasmtime.Store()
    module = wasmtime.Module(store.engine, wasm)
    linker = wasmtime.Linker(store.engine)
    linker.define_func("env", "f", wasmtime.FuncType([wasmtime.ValType.i32()], []), lambda _: None)
    function = linker.instantiate(store, module).exports(store)[export]
    with pytest.raises(wasmtime.Trap) as caught:
        function(store, argument)  # type: ignore[operator]
    return [(frame.func_name or "", frame.module_offset) for frame in caught.value.frames]


@cache
def _compiled(target: str, window: int | None = None) -> tuple[bytes, CodeMap]:
    made = aot.compile_module(WASM, target, aot.Options(window=window), located=True)
    return made.image, code_map(made)


def explained(session: Session, found: CodeMap, export: str, argument: int) -> Explanation:
    with pytest.raises(RunError) as caught:
        session.invoke(export, [argument])
    return explain(found, understand(caught.value.dump))


def frames(explanation: Explanation) -> Frames:
    """Of an explanation that knows each instruction."""
    assert [len(frame.spots) for frame in explanation.frames] == [1] * len(explanation.frames)
    return [(frame.function, frame.spots[0].offset) for frame in explanation.frames]


@pytest.mark.parametrize("board", _SIMULATED)
def test_each_kind_of_trap_is_where_wasmtime_has_it(board: str) -> None:
    found = boards.load_board(board)
    image, known = _compiled(found.target)
    with Session(found, image, imports={"env.f": "lambda _: None"}, sim=True) as session:
        traps = {name: frames(explained(session, known, name, _ARGUMENT)) for name in _TRAPS}
    assert traps == {name: backtrace(WASM, name, _ARGUMENT) for name in _TRAPS}


def test_an_access_that_a_routine_made_is_its_instruction() -> None:
    """With a window accesses beyond it are calls of a routine, which traps in its caller's name."""
    board = boards.load_board("qemu_stm32f405")
    image, known = _compiled(board.target, 1024)
    with Session(board, image, imports={"env.f": "lambda _: None"}, sim=True) as session:
        traps = {name: frames(explained(session, known, name, _ARGUMENT)) for name in ("load", "store")}
    assert traps == {name: backtrace(WASM, name, _ARGUMENT) for name in traps}


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
def test_an_image_is_the_same_without_a_map(target: str) -> None:
    assert aot.compile_wasm(WASM, target) == _compiled(target)[0]


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    _, known = _compiled("rv32imc")
    assert read_map(tmp_path, known.written()) == known


def test_a_map_of_another_image_is_refused() -> None:
    _, known = _compiled("rv32imc")
    with pytest.raises(InsituError, match="the map is of the image with CRC .*, this one has .*belong together"):
        known.check(read(_compiled("cortex-m4f")[0]))
    with pytest.raises(InsituError, match="the trap is of an image with CRC 0x00000001, the map of one with"):
        explain(known, understand("insitu-trap 00000001 0 12"))


@pytest.mark.parametrize("data", [b"", b"[]", b'{"insitu map": 1}', b"\xff"])
def test_what_is_no_map_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InsituError, match="is no map of an image|is damaged: build the image again"):
        read_map(tmp_path, data)


def test_what_says_no_place_is_refused() -> None:
    with pytest.raises(InsituError, match="says no place: give a code offset"):
        understand("Traceback")
