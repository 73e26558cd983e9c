"""`insitu partition`: a partition for images in an ESP32's flash, or none any more."""

from __future__ import annotations

from dataclasses import dataclass

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash import esp_partitions
from insitu.flash.esp_partitions import Partition
from insitu.flash.esptool import SECTOR, boot_loader


@dataclass(frozen=True, slots=True)
class Partitioned:
    """What the board's flash is divided into now. Attributes: rows: the partition table's."""

    board: str
    rows: tuple[Partition, ...]


def partition(board: Board, port: str | None, *, remove: bool = False) -> Partitioned:
    """Have the file system give up its end for images, or give it back; MicroPython then makes a new, empty one.

    port: of the board's serial line, None: esptool looks for it. Raises InsituError, before anything is changed, where
    the table does not allow it.
    """
    if not board.mapped:
        raise InsituError(f"{board.name} has no partition table: its images lie in {board.image}")
    with boot_loader(board, port) as loader:
        rows = esp_partitions.parse(loader.table())
        new = esp_partitions.without_images(rows) if remove else esp_partitions.with_images(rows, board.image.size)
        table = esp_partitions.encode(new)
        # Its two superblocks: a file system of another size is not mounted, an erased one is made anew.
        erased = (esp_partitions.files(rows).offset, b"\xff" * 2 * SECTOR)
        loader.write(erased, (esp_partitions.OFFSET, table))
        loader.check(esp_partitions.OFFSET, table, "the partition table")
    return Partitioned(board.name, tuple(new))
