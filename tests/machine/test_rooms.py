"""One place for each kind of thing: emulators are named in machine/ only, another one is a row, as is a writer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import pytest
import wasmtime
from insitu import machine
from insitu.aot import compile_wasm
from insitu.board.boards import FOLDER, load_board
from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import WRITERS
from insitu.flash.write import flash
from insitu.flash.writer import Over, Target, Writer
from insitu.link.raw_repl import Link
from insitu.machine.emulator import Emulator
from insitu.steps import Progress

from tests.cli.conftest import Command, insitu, wasm

__all__ = ["insitu", "wasm"]
_EMULATORS = re.compile("qemu(?!_)|rp2040py", re.IGNORECASE)  # qemu_... is a board
_MODULE = '(module (func (export "go")))'


def test_emulators_are_named_in_one_folder() -> None:
    package = Path(str(files("insitu")))
    sources = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    naming = [path for path in sources if _EMULATORS.search(path.read_text())]
    assert len(sources) > 100
    assert {path.parent for path in naming} == {package / "machine"}


# --- another one of each ---


class Toy(Emulator):
    """Its MicroPython has one answer: whatever it is asked, the number that its board file gives."""

    FIRMWARE: ClassVar[str] = ".toy"
    OPTIONS: ClassVar[Mapping[str, type]] = {"answer": int}

    @classmethod
    def flash_region(cls, board: Board) -> Region:
        return board.image

    def start(self) -> str:
        return ""

    def link(self) -> Link:
        answer = str(self.option("answer")).encode()

        class Answers(Link):
            def __init__(self) -> None:
                pass

            def __enter__(self) -> Answers:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def run(self, code: str, *, timeout: float | None = None) -> bytes:
                return answer

        return Answers()


def _board(folder: Path, kind: str, writers: str) -> Path:
    """A file for a Pico with another machine and other writers."""
    text, _, _ = (FOLDER / "rpi_pico.toml").read_text().partition("[flash]")
    path = folder / "mine.toml"
    path.write_text(f"{text}[flash]\nwriters = [{writers}]\n[machine]\n{kind}\n")
    return path


def test_another_emulator(
    insitu: Command, wasm: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, app = _board(tmp_path, 'kind = "toy"\nanswer = 7', '"uf2"'), wasm(_MODULE)
    assert 'machine kind "toy" is none of qemu, rp2040' in insitu("flash", app, "-b", board).err
    monkeypatch.setattr(machine, "EMULATORS", {**machine.EMULATORS, "toy": Toy})
    monkeypatch.setattr("insitu.places.firmware", lambda board, suffix: tmp_path / f"firmware{suffix}")
    monkeypatch.setattr("insitu.places.flash_file", lambda board: tmp_path / "flash.bin")
    assert (
        "no firmware for mine: `insitu firmware -b mine.toml --build` makes " in insitu("flash", app, "-b", board).err
    )
    (tmp_path / "firmware.toy").touch()
    done = insitu("flash", app, "-b", board)
    assert "mine reads back CRC 0x00000007, expected 0x" in done.err
    assert (tmp_path / "flash.bin").read_bytes()[:4] == b"INSX"
    assert load_board(str(board)).emulator == {"kind": "toy", "answer": 7}


def test_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
        written.append((target.board.name, address, data))

    board = load_board(str(_board(tmp_path, 'kind = "rp2040"', '"toy"')))
    image = compile_wasm(bytes(wasmtime.wat2wasm(_MODULE)), board.target)
    with pytest.raises(InsituError, match="mine is not written by toy"):
        flash(image, board, writer="toy")
    monkeypatch.setitem(WRITERS, "toy", Writer(Over.BOOT_LOADER, write, ""))  # type: ignore[arg-type]
    assert flash(image, board, writer="toy").writer == "toy"
    assert written == [("mine", 0x10060000, image)]
