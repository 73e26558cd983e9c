"""Random images written by the board itself, the power cut at a random operation."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.flash import device
from insitu.flash.writer import Target
from insitu.image.read import ImageError, read
from insitu.steps import silent

from tests.flash.board import Board
from tests.flash.stm32_flash import BASE, Stm32

BOARDS = ("pybv11", "nucleo_f767", "nucleo_h743", "nucleo_wb55")
_SIZES = (10, 3000, 4500, 9000)  # bytes of data in the images, which have some 500 more


@cache
def images() -> list[bytes]:
    """One of each size."""
    found = []
    for seed, size in enumerate(_SIZES):
        data = "".join(f"\\{byte:02x}" for byte in random.Random(seed).randbytes(size))
        text = f'(module (memory (export "memory") 1) (data (i32.const 0) "{data}"))'
        found.append(compile_wasm(bytes(wasmtime.wat2wasm(text)), "cortex-m3"))
    return found


def model(name: str, seed: int) -> Stm32:
    """The board's chip, with bytes of a firmware and of a file system around the image region."""
    board = load_board(name)
    sizes = [size for count, size in board.chip.sectors for _ in range(count)]
    made = Stm32(board.chip.controller, sizes, seed)
    start, end = board.image.address - BASE, board.image.end - BASE
    made.fill(0, random.Random(1).randbytes(start - 1000))
    made.fill(end, random.Random(2).randbytes(len(made.flash) - end))
    return made


def left(data: bytes) -> bytes | None:
    """The image that a loader takes, or None."""
    try:
        return read(data).data
    except ImageError:
        return None


def operations(made: Stm32, image: bytes, sectors: int) -> int:
    """How many a whole write takes: sectors erased, units programmed."""
    return sectors + -(-len(image) // 256) * 256 // made.family.unit


def one_cut(name: str, seed: int) -> str:
    """One write over another image; what is there afterwards: old, new or none. AssertionError for anything else."""
    rng, board, made = random.Random(seed), load_board(name), model(name, seed)
    old, new = rng.sample(images(), 2)
    start, end = board.image.address - BASE, board.image.end - BASE
    made.fill(start, old)
    sectors = board.chip.sectors_in(board.image)
    count = next(i for i in range(len(sectors) + 1) if sum(sector.size for sector in sectors[:i]) >= len(new))
    made.left = rng.randrange(operations(made, new, count) + 1)
    before = bytes(made.flash)
    target: Any = Target(board, Board(made))  # type: ignore[arg-type]
    cut = False
    try:
        device.write(target, board.image.address, new, silent)
    except InsituError as error:
        assert str(error) == "the board is gone"
        cut = True
    erased = sum(sector.size for sector in sectors[:count])
    assert cut == (made.left < 0)
    assert made.flash[:start] == before[:start]
    assert made.flash[start + erased :] == before[start + erased :]
    found = left(bytes(made.flash[start:end]))
    if cut:
        assert found is None or (found == old and len(made.erased) == 1) or found == new
    else:
        assert found == new
    return "none" if found is None else "new" if found == new else "old"
