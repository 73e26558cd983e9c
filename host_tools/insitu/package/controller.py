"""What programs a board's flash from inside, as source: the host sends it, and the package has it as insitu/flash.py.

It is compiled on the board, into RAM: while flash changes nothing in it runs.
"""

from __future__ import annotations

import ast

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.package.names import PORT

_STM32 = ("platform/flash_controller.py", "platform/flash_stm32.py")
_PROGRAMS = {
    "esp32": ("platform/mapped_flash.py", "platform/flash_esp32.py"),
    "nvmc": ("platform/flash_controller.py", "platform/flash_nvmc.py"),
    "rp2040": ("platform/flash_rp2.py", "platform/flash_rp2040.py"),
    "rp2350": ("platform/flash_rp2.py", "platform/flash_rp2350.py"),
    "stm32f4": _STM32,
    "stm32f7": _STM32,
    "stm32h7": _STM32,
    "stm32wb": _STM32,
}
# By port; samd's firmware writes pages of 512 bytes, and what it does to the rest of one is not known here.
_ROM_PARTITIONS = {port: ("platform/flash_rom.py",) for port in ("mimxrt", "nrf", "stm32")}
_EMULATED_BLOCK = 4096  # bytes that are erased at a time where only the host writes
_VIEW = "from uctypes import bytearray_at as view\n"


def program(board: Board) -> str:
    """What the board is sent, without its comments. Raises InsituError if there is none for its chip."""
    chip = board.chip
    if not is_programmed(board):
        raise InsituError(f"{board.name}: flash of {chip.name} is not programmed by the board itself")
    facts = (chip.controller, chip.flash.address, chip.sectors, board.written.address, board.written.end)
    sources = "".join((PORT / name).read_text() for name in _sources(board))
    return f"CHIP = {facts}\n" + ast.unparse(ast.parse(sources))


def _sources(board: Board) -> tuple[str, ...]:
    if board.in_rom_partition:
        return _ROM_PARTITIONS.get(board.firmware.port, ())
    return _PROGRAMS.get(board.chip.controller, ())


def place(board: Board) -> tuple[int, int, int]:
    """Where images with names lie, unless that is a ROM partition, of which the firmware says it: first address, bytes,
    bytes that are erased at a time.

    Raises InsituError where the board has no such place.
    """
    sizes = {sector.size for sector in board.chip.sectors_in(board.image)}
    if len(sizes) > 1 or not (sizes or board.emulator):
        raise InsituError(f"{board.name}: the place for images has sectors of sizes that differ or are not known")
    return board.image.address, board.image.size, sizes.pop() if sizes else _EMULATED_BLOCK


def is_programmed(board: Board) -> bool:
    """Whether the board's own program can write its flash."""
    return bool(_sources(board))


def images_flash(board: Board) -> str:
    """The file insitu/flash.py for a board, which port/update/images.py describes; without a place it has no bytes."""
    if board.in_rom_partition and is_programmed(board):
        return program(board)
    try:
        found = f"PLACE = {place(board)}\n{_VIEW}"
    except InsituError:
        return f"PLACE = (0, 0, 1)\n{_VIEW}"
    return found + (program(board) if is_programmed(board) else "")
