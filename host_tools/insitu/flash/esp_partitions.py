"""The partition table of an ESP32's flash (ESP-IDF Programming Guide, "Partition Tables"). Pure."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from insitu.errors import InsituError
from insitu.port.platform.mapped_flash import NAME

OFFSET, SIZE = 0x8000, 0xC00  # of the table in flash; its sector ends at 0x9000
_FIRST = 0x9000  # offset that a partition can have
_ROW = struct.Struct("<2sBBII16sI")
_MAGIC, _MD5, _END = b"\xaa\x50", b"\xeb\xeb" + b"\xff" * 14, b"\xff" * 32
_DATA, _UNDEFINED = 1, 6  # type, subtype: of no use that ESP-IDF knows
_FILES = "vfs"  # MicroPython's file system: ports/esp32/modules/flashbdev.py
PAGE = 0x10000  # of the flash MMU


@dataclass(frozen=True, slots=True)
class Partition:
    """A row. Attributes: offset, size: in flash, in bytes; flags: bit 0: encrypted."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        """The first offset behind it."""
        return self.offset + self.size


def parse(table: bytes) -> list[Partition]:
    """The rows. Raises InsituError for what is no table, or one that was not written whole."""
    found: list[Partition] = []
    for at in range(0, len(table), _ROW.size):
        row = table[at : at + _ROW.size]
        if row == _END:
            break
        if row.startswith(_MD5):
            if row[16:] != hashlib.md5(table[:at]).digest():
                raise InsituError(f"the partition table at {OFFSET:#x} is damaged: its MD5 sum is another")
            break
        magic, *numbers, label, flags = _ROW.unpack(row)
        if magic != _MAGIC:
            raise InsituError(f"the partition table at {OFFSET:#x} is damaged: row {len(found)} is none")
        kind, subtype, offset, size = numbers
        found.append(Partition(label.rstrip(b"\0").decode("utf-8", "replace"), kind, subtype, offset, size, flags))
    _check(found)
    return found


def _check(rows: Sequence[Partition]) -> None:
    if not rows:
        raise InsituError(f"there is no partition table at {OFFSET:#x}: write MicroPython's firmware first")
    end = _FIRST
    for row in sorted(rows, key=lambda row: row.offset):
        if row.offset < end:
            raise InsituError(f"partition {row.label} at {row.offset:#x} overlaps what ends at {end:#x}")
        end = row.end


def encode(rows: Sequence[Partition]) -> bytes:
    """The table, with its MD5 sum, SIZE bytes."""
    table = b"".join(
        _ROW.pack(_MAGIC, row.type, row.subtype, row.offset, row.size, row.label.encode(), row.flags) for row in rows
    )
    return (table + _MD5 + hashlib.md5(table).digest()).ljust(SIZE, b"\xff")


def find(rows: Sequence[Partition], label: str) -> Partition | None:
    """The partition of that name."""
    return next((row for row in rows if row.label == label), None)


def files(rows: Sequence[Partition]) -> Partition:
    """MicroPython's file system. Raises InsituError where there is none."""
    if found := find(rows, _FILES):
        return found
    raise InsituError(f"there is no partition {_FILES}, of which images would take a part")


def with_images(rows: Sequence[Partition], size: int) -> list[Partition]:
    """The rows with a partition for images, of size bytes that the file system gives up at its end."""
    if find(rows, NAME):
        raise InsituError(f"there is a partition {NAME} already")
    whole = files(rows)
    if whole.size <= size or (whole.end - size) % PAGE:
        raise InsituError(
            f"partition {_FILES} ({whole.size:#x} bytes at {whole.offset:#x}) cannot give up {size:#x} at its end"
        )
    images = Partition(NAME, _DATA, _UNDEFINED, whole.end - size, size)
    shrunk = replace(whole, size=whole.size - size)
    return [*(shrunk if row == whole else row for row in rows), images]


def without_images(rows: Sequence[Partition]) -> list[Partition]:
    """The rows as they were before with_images()."""
    images, shrunk = find(rows, NAME), files(rows)
    if images is None or images.offset != shrunk.end:
        raise InsituError(f"there is no partition {NAME} behind {_FILES}")
    whole = replace(shrunk, size=shrunk.size + images.size)
    return [whole if row == shrunk else row for row in rows if row != images]
