"""`insitu build`: a source or a .wasm file to an image file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from insitu.aot import compile_wasm
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.toolchain import LANGUAGES, to_wasm
from insitu.wasm.decode import MAGIC, decode
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
    """The image of a module for the board; source may be an image already made for it.

    app_heap: see aot.compile_wasm.
    """
    data = read_file(source)
    if source.suffix == ".xip":
        return data
    if source.suffix != ".wasm" and not data.startswith(MAGIC):
        languages = ", ".join(LANGUAGES)
        raise InsituError(
            f"{source} is neither a module nor an image: `insitu build` makes them of {languages} files, "
            "docs/toolchains.md says how other languages make a .wasm"
        )
    try:
        return compile_wasm(data, board.target, app_heap=app_heap)
    except WasmError as error:
        raise InsituError(f"{source.name} {error}") from None


def compile_source(source: Path, made: Path, exports: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Compile a source to the module made; the command that did it. exports, flags: see toolchain.to_wasm.

    Raises InsituError, also where nothing of it could be called.
    """
    read_file(source)
    command = to_wasm(source, made, exports=exports, flags=flags)
    if not any(export.kind == "func" for export in decode(read_file(made)).exports):
        mark = LANGUAGES[source.suffix].mark
        raise InsituError(f"{source} exports no function: mark one with {mark}, or give --export NAME")
    return command
