"""insitu tune: what it proposes works, and a little less does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from insitu import places
from insitu.aot.window import Wanted
from insitu.board import boards
from insitu.commands import find_window, tune
from insitu.errors import InsituError
from insitu.port.xip.layout import PAGE_SIZE
from insitu.toolchain import compile_c

SOURCE = places.CHECKOUT / "examples" / "fir" / "app.c"
CALLS = [tune.Call.parse("init 8000 1000"), tune.Call.parse("process 4")]
IMPORTS = {"adc.read": "2000", "uart.write": "0"}
TARGETS = ("qemu_stm32f405", "qemu_mps2_an385", "qemu_rv32")


@pytest.fixture(scope="module")
def wasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(SOURCE, tmp_path_factory.mktemp("tune") / "fir.wasm")


@pytest.mark.parametrize("board_name", TARGETS)
def test_proposed_sizes_work_and_less_does_not(board_name: str, wasm: Path) -> None:
    board = boards.load_board(board_name)
    found = tune.tune(wasm, board, CALLS, IMPORTS)
    knobs = {knob.name: knob for knob in found.knobs}
    assert len(knobs) == 8
    heap, stack = knobs["global heap"].proposed, knobs["operand stack"].proposed
    assert heap is not None
    assert stack is not None
    assert heap < 8192
    tune._run(board, found.image, tune.Sizes(heap, stack), CALLS, IMPORTS)
    with pytest.raises(InsituError, match="global heap|operand stack"):
        tune._run(board, found.image, tune.Sizes(heap * 3 // 4, stack), CALLS, IMPORTS)
    with pytest.raises(InsituError, match="operand stack"):
        tune._run(board, found.image, tune.Sizes(heap, stack - 64), CALLS, IMPORTS)


def test_a_call_that_fails_is_told(wasm: Path) -> None:
    board = boards.load_board("qemu_stm32f405")
    with pytest.raises(InsituError, match='no exported function "nothing"'):
        tune.tune(wasm, board, [tune.Call.parse("nothing")], IMPORTS)
    with pytest.raises(InsituError, match='the import func "uart.write" is not bound'):
        tune.tune(wasm, board, CALLS, {"adc.read": "1"})
    with pytest.raises(InsituError, match="bound to \"print\" or to a number: 'x' is not an integer"):
        tune.tune(wasm, board, CALLS, {"adc.read": "x", "uart.write": "0"})
    with pytest.raises(InsituError, match="99999999999 does not fit in i32"):
        tune.tune(wasm, board, CALLS, {"adc.read": "99999999999", "uart.write": "0"})


WRITES = """(module (memory 1) (func (export "work") (param $n i32) (local $at i32)
  (loop (i32.store8 (local.get $at) (i32.const 7))
    (local.set $at (i32.add (local.get $at) (i32.const 1000)))
    (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"""


def test_the_window_with_the_least_ram_in_the_limit(tmp_path: Path) -> None:
    """60 bytes, 1,000 apart, are 60 pages of 128, of which a window of 4 KiB and more has the first four."""
    source, board = tmp_path / "writes.wasm", boards.load_board("qemu_stm32f405")
    source.write_bytes(wasmtime.wat2wasm(WRITES))
    calls = [tune.Call.parse("work 60")]
    found = find_window.find(source, board, calls, {}, 100_000)
    rows = {row.window and (str(row.window), row.window.page): row for row in found.rows}
    assert rows[None].ram > PAGE_SIZE
    assert (rows["0", 128].pages, rows["4096", 128].pages) == (60, 55)
    assert all(row.ram < rows[None].ram / 2 for window, row in rows.items() if window is not None)
    assert found.best.ram == min(row.ram for row in found.rows)
    assert rows["0", 128].accesses >= 60
    assert rows["0", 128].instructions > rows[None].instructions
    assert found.best.window == Wanted(0, 0, 64)  # what lies 1,000 bytes apart wants the smallest pages
    assert found.best.flags() == ["--window", "0", "--far-page", "64"]
    assert found.far == {"heap": 60 * 64}
    assert find_window.find(source, board, calls, {}, 0).best.window is None
