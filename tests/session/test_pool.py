"""The global heap that nobody gives a size for holds what a module needs, wherever the board has so much RAM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.image.read import read
from insitu.session import pool

from tests.cli.conftest import Command, refused

PAGE = '(module (memory 1) (func (export "go") (result i32) (i32.load8_u (i32.const 65535))))'
GROWS = """(module (memory 1 3) (func (export "pages") (result i32) (memory.size))
  (func (export "grow") (result i32) (memory.grow (i32.const 1))))"""
TWO_PAGES = '(module (memory 2) (func (export "go") (result i32) (i32.load8_u (i32.const 131071))))'


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["qemu_stm32f405", "qemu_rv32"])
def test_one_page_runs_on_a_board(insitu: Command, wasm: Callable[..., Path], board: str) -> None:
    """On the first, RAM that MicroPython does not use has 65,536 bytes, so it lies on MicroPython's heap."""
    assert load_board(board).global_heap <= 65536
    done = insitu("run", wasm(PAGE), "-b", board, "--invoke", "go")
    assert (done.status, done.out) == (0, "0\n"), done


@pytest.mark.qemu
def test_the_hint_where_the_ram_is_not_there(insitu: Command, wasm: Callable[..., Path]) -> None:
    app, words = wasm(TWO_PAGES), ("-b", "qemu_stm32f405", "--invoke", "go")
    refused(insitu("run", app, *words), "bytes for a global heap, or nothing beside it: `insitu inspect` says what for")
    assert "linear memory" in insitu("inspect", app).out
    refused(insitu("run", app, *words, "--heap", 200_000), "has no 200000 bytes", "give a smaller --heap")


@pytest.mark.parametrize("more", [(), ("--initial-memory", 2), ("--heap-size", 70_000), ("--stack", 30_000)])
def test_what_is_asked_for_besides(insitu: Command, wasm: Callable[..., Path], more: tuple[object, ...]) -> None:
    """The app heap is in whole pages of a memory that can grow; what it may grow to is not counted."""
    pages = {(): 1, "--initial-memory": 2, "--heap-size": 3}.get(more[0] if more else (), 1)
    sim = ("-b", "qemu_rv32", "--sim", *more)
    assert insitu("run", wasm(GROWS), *sim, "--invoke", "pages").out == f"{pages}\n"
    assert insitu("run", wasm(GROWS), *sim, "--invoke", "grow").out == "-1\n"


def test_blocks_of_a_large_heap_are_rounded_up(insitu: Command, wasm: Callable[..., Path]) -> None:
    """To 512 bytes in one of 16 MiB, which is emscripten's default."""
    app = wasm('(module (memory 256) (func (export "go") (result i32) (i32.load8_u (i32.const 16777215))))')
    assert insitu("run", app, "-b", "qemu_rv32", "--sim", "--invoke", "go").out == "0\n"


def test_a_module_that_is_linked_is_counted(insitu: Command, wasm: Callable[..., Path]) -> None:
    app, page = wasm(PAGE), wasm(PAGE, "page.wasm")
    assert insitu("run", app, "-b", "qemu_rv32", "--sim", "--module", f"lib={page}", "--invoke", "go").out == "0\n"


def test_a_board_s_own_pool_is_not_made_smaller() -> None:
    image = read(compile_wasm(bytes(wasmtime.wat2wasm(PAGE)), "rv32imc"))
    assert pool.default(load_board("qemu_mps2_an385"), [image], 2048, {}) == 0x100000
    assert pool.needed(image, 2048) > 65536 + 2048
