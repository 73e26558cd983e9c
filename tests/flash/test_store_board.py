"""Images by name on stock firmware in rp2040py: from the host, and from the board's own program."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.flash.store import FileFlash, OnBoard
from insitu.machine import emulated
from insitu.machine.flash_file import FlashFile
from insitu.machine.rp2040 import Rp2040
from insitu.package import controller
from insitu.port.update.images import Images

pytestmark = [pytest.mark.slow]

BOARD = load_board("rpi_pico")
_START = BOARD.image.address
_PROGRAM = """
import insitu
from insitu.images import Images
from binascii import a2b_base64
images = Images()
def receive(name, pieces, size, starts):
    writer = images.begin(name, size, None, starts)
    for piece in pieces: writer.write(a2b_base64(piece))
    writer.end()
def result(name):
    rt = insitu.Runtime(heap=bytearray(4096))
    mod = rt.load(name)
    found = mod.instantiate(stack_size=512).exports.f()
    rt.destroy()
    return found
"""


def _returns(value: int) -> bytes:
    text = f'(module (func (export "f") (result i32) (i32.const {value})))'
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), BOARD.target)


def _rows(kept: FlashFile) -> list[tuple[str, int, str]]:
    """What is in flash, as the host reads its file."""
    found = Images(FileFlash(kept, controller.place(BOARD))).rows()
    return [(name, version, state) for name, version, _, _, state in found]


def test_both_ways_and_a_power_cut(flash: FlashFile, tmp_path: Path) -> None:
    kept = FlashFile(tmp_path / "flash.bin", flash.region)
    kept.path.write_bytes(flash.path.read_bytes())
    machine = emulated(BOARD, [], flash_file=kept.path)
    with machine, machine.link() as link:
        store = OnBoard(link, BOARD)
        assert store.add(_returns(1), "app", None, 0).version == 1
        assert [row.name for row in store.rows()] == ["app"]
        assert (store.overwritten(_START), store.overwritten(_START + 1)) == (set(), {"app"})
        link.soft_reset()
        link.run(_PROGRAM)
        data = _returns(2)
        pieces = [base64.b64encode(data[at : at + 100]).decode() for at in range(0, len(data), 100)]
        link.run(f"receive('app', {pieces}, {len(data)}, 1)")
        assert link.run("print(result('app'))").strip() == b"2"
        link.soft_reset()  # the only start of its trial is over
        link.run(_PROGRAM)
        assert link.run("print(result('app'))").strip() == b"1"
    assert _rows(kept) == [("app", 1, "current"), ("app", 2, "failed")]
    _cut(kept)


def _cut(kept: FlashFile) -> None:
    """After three operations of the board: it removes what failed, begins, and is gone before all is there."""
    machine = emulated(BOARD, [], flash_file=kept.path)
    assert isinstance(machine, Rp2040)
    machine.operations = 3
    with machine, machine.link() as link, pytest.raises(InsituError, match="is gone"):
        OnBoard(link, BOARD).add(_returns(3), "app", None, 0)
    assert _rows(kept)[0] == ("app", 1, "current")
