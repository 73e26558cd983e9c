"""DfuSe files, which programmers of STM32 take (ST UM0391, "DfuSe File Format Specification"). Pure."""

from __future__ import annotations

import struct
import zlib

from insitu.board.record import Board
from insitu.errors import InsituError

VENDOR, PRODUCT = 0x0483, 0xDF11  # of ST's boot loader at USB
_ANY_DEVICE = 0xFFFF
_DFU_VERSION = 0x011A
_UNIT = 32  # bytes, the most that a family programs at once: STM32H7 (RM0433, 4.3.9)


def padded(data: bytes) -> bytes:
    """data up to what every family can program, erased bytes behind it."""
    return data + b"\xff" * (-len(data) % _UNIT)


def encode(board: Board, address: int, data: bytes) -> bytes:
    """A file with one image that puts data at address. Raises InsituError where the board's boot loader takes none."""
    if "dfu" not in board.writers:
        raise InsituError(f"{board.name}: {board.chip.name} takes no DfuSe files")
    data = padded(data)
    element = struct.pack("<II", address, len(data)) + data
    prefix = struct.pack("<6sBI255sII", b"Target", 0, 1, board.name.encode(), len(element), 1)
    size = struct.calcsize("<5sBIB") + len(prefix) + len(element)
    file = struct.pack("<5sBIB", b"DfuSe", 1, size, 1) + prefix + element
    file += struct.pack("<HHHH3sB", _ANY_DEVICE, PRODUCT, VENDOR, _DFU_VERSION, b"UFD", 16)
    return file + struct.pack("<I", zlib.crc32(file) ^ 0xFFFFFFFF)
