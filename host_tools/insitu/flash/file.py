"""A file for the programmer of your choice instead of writing: a row of FORMATS a kind. Pure, no device is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash import dfuse, uf2

_LINE = 16  # data bytes of a record


def binary(_: Board, __: int, data: bytes) -> bytes:
    """The bytes alone; the programmer must be told the address."""
    return data


def intel_hex(_: Board, address: int, data: bytes) -> bytes:
    """Intel HEX with 32-bit addresses (Intel Hexadecimal Object File Format Specification, revision A, 1988)."""
    records, upper = [], -1
    for at in range(0, len(data), _LINE):
        place = address + at
        if place >> 16 != upper:
            upper = place >> 16
            records.append(_record(4, 0, upper.to_bytes(2, "big")))
        # a record does not go over the end of its 64 KiB
        piece = data[at : at + _LINE]
        first = min(len(piece), 0x10000 - (place & 0xFFFF))
        records.append(_record(0, place & 0xFFFF, piece[:first]))
        if piece[first:]:
            upper += 1
            records += [_record(4, 0, upper.to_bytes(2, "big")), _record(0, 0, piece[first:])]
    records.append(_record(1, 0, b""))
    return "".join(records).encode()


def _record(kind: int, offset: int, data: bytes) -> str:
    body = bytes([len(data)]) + offset.to_bytes(2, "big") + bytes([kind]) + data
    return f":{body.hex()}{-sum(body) & 0xFF:02x}\r\n".upper()


def uf2_file(board: Board, address: int, data: bytes) -> bytes:
    """For the boot volume of the board's chip. Raises InsituError where it has none."""
    return uf2.encode(address, data, uf2.family(board))


FORMATS: Mapping[str, Callable[[Board, int, bytes], bytes]] = {
    ".bin": binary,
    ".dfu": dfuse.encode,
    ".hex": intel_hex,
    ".uf2": uf2_file,
}


def make(path: Path, board: Board, address: int, data: bytes) -> bytes:
    """The bytes of a file called path that puts data at address.

    Raises InsituError where its suffix is no format, or the address is none of the flash but of where the CPU sees it.
    """
    if board.mapped:
        raise InsituError(f"{board.name}: images go into a partition, of which a file does not know the place")
    if path.suffix.lower() not in FORMATS:
        raise InsituError(f"{path}: the suffix must be one of {', '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()](board, address, data)
