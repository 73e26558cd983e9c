"""`insitu build`: a source or a .wasm file to an image file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from insitu.aot import Compiled, cache, compile_module
from insitu.aot.options import DEFAULT, Options
from insitu.aot.targets import Unroll
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.port.xip import layout
from insitu.toolchain import LANGUAGES, to_wasm
from insitu.wasm import source_map
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
    """Attributes: image; again: makes it; None where the source was an image already. name: of it in the cache."""

    image: bytes
    again: Callable[[], Compiled] | None = None
    name: str | None = None

    def map(self) -> bytes | None:
        """What the image's code was, as a map's file has it; None where it was an image already."""
        if self.again is None:
            return None
        again = self.again

        def made() -> bytes:
            from insitu.explain.make import code_map  # with the compiler, which what was built before does not need

            return code_map(again()).written()

        return _cached(self.name and f"{self.name}.map", made)


def _cached(name: str | None, make: Callable[[], bytes]) -> bytes:
    found = cache.get(name) if name else None
    if found is None:
        found = make()
        if name:
            cache.put(name, found)
    return found


def build(source: Path, board: Board, options: Options = DEFAULT) -> bytes:
    """The image of a module for the board; see built."""
    return built(source, board, options).image


def built(source: Path, board: Board, options: Options = DEFAULT, *, cached: bool = True) -> Built:
    """The image of a module for the board; source may be an image already made for it, whatever it is called.

    cached: whether it may be taken from, and is kept in, the cache.
    Raises InsituError where there is no memory to have a window.
    """
    data = source_map.with_map(read_file(source), source)
    if is_image(data) or (source.suffix == ".xip" and not data.startswith(MAGIC)):
        return Built(data)
    if source.suffix != ".wasm" and not data.startswith(MAGIC):
        languages = ", ".join(LANGUAGES)
        raise InsituError(
            f"{source} is neither a module nor an image: `insitu build` makes them of {languages} files, "
            "docs/toolchains.md says how other languages make a .wasm"
        )
    target = board.target

    @functools.cache
    def made() -> Compiled:
        return compile_module(data, target, options, located=True)

    name = cache.key(data, target, options) if cached else None
    try:
        if options.window is not None:
            _check_window(source, decode(data))
        return Built(_cached(name, lambda: made().image), made, name)
    except WasmError as error:
        raise InsituError(f"{source.name} {error}") from None


def _check_window(source: Path, module: Module) -> None:
    if not module.memory_types:
        raise InsituError(f"{source.name} has no linear memory: build it without --window")
    if module.imported_memory_count:
        raise InsituError(
            f"{source.name} imports its linear memory, a window is its owner's: build it without --window"
        )
    if module.shares_memory:
        raise InsituError(f"{source.name} shares its linear memory with its threads: build it without --window")


def compile_source(
    source: Path,
    made: Path,
    exports: Sequence[str],
    flags: Sequence[str],
    *,
    small: bool = False,
    unroll: Unroll = Unroll.ALL,
) -> list[str]:
    """Compile a source to the module made; the command that did it. exports and all others: see toolchain.to_wasm.

    Raises InsituError, also where nothing of it could be called.
    """
    read_file(source)
    command = to_wasm(source, made, exports=exports, flags=flags, small=small, unroll=unroll)
    if not any(export.kind == "func" for export in decode(read_file(made)).exports):
        mark = LANGUAGES[source.suffix].mark
        raise InsituError(f"{source} exports no function: mark one with {mark}, or give --export NAME")
    return command
