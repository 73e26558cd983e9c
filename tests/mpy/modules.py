"""The samples, compiled for a board, and what boots one with them in its ROM partition."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insitu.board.record import Board
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.mpy import cross, device, romfs
from insitu.package.deploy import mount_code

SAMPLES = Path(__file__).parent / "samples"
_ASSEMBLER = {"a": "assembler_thumb", "r": "assembler_rv32"}  # by the first letter of mpy-cross's name of the CPU

# Bytes that importing modules takes.
RAM = """
import gc
gc.collect()
gc.collect()
before = gc.mem_alloc()
import {0}
gc.collect()
gc.collect()
print(gc.mem_alloc() - before)
"""


@functools.cache
def compiled(target: str) -> dict[str, bytes]:
    """The sample modules with machine code, by file name."""
    march = cross.MARCH[target]
    return {
        "functions.mpy": compile_sample("functions", target),
        "assembler.mpy": compile_sample(_ASSEMBLER[march[0]], target),
        "emitted.mpy": compile_sample("emitted", target, "-X", "emit=native"),
    }


def compile_sample(name: str, target: str, *options: str) -> bytes:
    return cross.compile_source((SAMPLES / f"{name}.py").read_text(), cross.MARCH[target], f"{name}.py", *options)


def all_files(board: Board) -> dict[str, bytes]:
    """The samples and what checks them."""
    return {**compiled(board.target), "checks.mpy": compile_sample("checks", board.target)}


def as_it_is(_: str, data: bytes, __: int) -> bytes:
    """A romfs.Convert that changes nothing."""
    return data


@contextmanager
def mounted(
    board: Board,
    files: dict[str, bytes],
    *,
    linked_at: int = 0,
    convert: romfs.Convert = romfs.linked,
    firmware: Path | None = None,
) -> Iterator[Link]:
    """The board with a ROM partition of files, mounted and in sys.path; linked_at: so far from where it lies."""
    assert board.package is not None
    at = board.package.address
    image = romfs.build_romfs({**device.loader_files(board.target), **files}, at + linked_at, convert)
    with emulated(board, [(at, image)], firmware=firmware) as machine, machine.link() as link:
        link.run(mount_code(at, len(image)))
        yield link
