"""`insitu build`: a .wasm file to an image file."""

from __future__ import annotations

from pathlib import Path

from insitu.aot import compile_wasm
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.wasm.errors import WasmError


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}") from None


def write_file(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}") from None


def build(source: Path, board: Board, *, app_heap: int = 0) -> bytes:
    """The image of source for the board; source may be an image already made for it.

    app_heap: see aot.compile_wasm.
    """
    data = read_file(source)
    if source.suffix == ".xip":
        return data
    try:
        return compile_wasm(data, board.target, app_heap=app_heap)
    except WasmError as error:
        raise InsituError(f"{source.name} {error}") from None
