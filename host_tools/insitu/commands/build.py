"""`insitu build`: a source or a .wasm file to an image file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from insitu.aot import Compiled, compile_module
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.explain.code_map import CodeMap
from insitu.explain.make import code_map
from insitu.port.xip import layout
from insitu.toolchain import LANGUAGES, to_wasm
from insitu.wasm.decode import MAGIC, decode
from insitu.wasm.errors import WasmError
from insitu.wasm.module import Module


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


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}") from None


def check_output(made: Path, source: Path) -> None:
    """Raise InsituError where writing made would overwrite source."""
    if made.exists() and source.exists() and made.samefile(source):
        raise InsituError(f"{made} is what is read: it would be overwritten, give the output another name")


def is_image(data: bytes) -> bool:
    """Whether a file with this in it is an image, whole or not; what it is called does not matter."""
    return data.startswith(layout.MAGIC.to_bytes(4, "little"))


@dataclass(frozen=True, slots=True)
class Built:
    """Attributes: image; made: how, None where the source was an image already."""

    image: bytes
    made: Compiled | None

    def map(self) -> CodeMap | None:
        """What the image's code was; None where it was an image already."""
        return code_map(self.made) if self.made else None


def build(source: Path, board: Board, *, app_heap: int = 0, window: int | None = None) -> bytes:
    """The image of a module for the board; see built."""
    return built(source, board, app_heap=app_heap, window=window).image


def built(source: Path, board: Board, *, app_heap: int = 0, window: int | None = None) -> Built:
    """The image of a module for the board; source may be an image already made for it, whatever it is called.

    app_heap, window: see aot.compile_wasm. Raises InsituError where there is no memory to have a window.
    """
    data = read_file(source)
    if is_image(data) or (source.suffix == ".xip" and not data.startswith(MAGIC)):
        return Built(data, None)
    if source.suffix != ".wasm" and not data.startswith(MAGIC):
        languages = ", ".join(LANGUAGES)
        raise InsituError(
            f"{source} is neither a module nor an image: `insitu build` makes them of {languages} files, "
            "docs/toolchains.md says how other languages make a .wasm"
        )
    try:
        if window is not None:
            _check_window(source, decode(data))
        made = compile_module(data, board.target, app_heap=app_heap, window=window, located=True)
    except WasmError as error:
        raise InsituError(f"{source.name} {error}") from None
    return Built(made.image, made)


def _check_window(source: Path, module: Module) -> None:
    if not module.memory_types:
        raise InsituError(f"{source.name} has no linear memory: build it without --window")
    if module.imported_memory_count:
        raise InsituError(
            f"{source.name} imports its linear memory, a window is its owner's: build it without --window"
        )


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
