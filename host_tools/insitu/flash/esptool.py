"""ESP32 by the boot loader in its ROM, through Espressif's esptool.

esptool is licensed under the GPL: it is called as a process of its own and never imported.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash import esp_partitions
from insitu.flash.writer import Over, Target, Writer
from insitu.port.platform.mapped_flash import NAME
from insitu.steps import Progress

SECTOR = 4096  # bytes that are erased as a whole
_SAYS = "fatal error occurred: "


class BootLoader:
    """The one of a board. Attributes: folder: for files that esptool reads and writes."""

    def __init__(self, board: Board, port: str | None, folder: Path) -> None:
        self._board, self.folder = board, folder
        chip = board.chip.name.replace("-", "").lower()
        # Without the program that esptool otherwise loads into RAM: what is in the ROM is on every chip.
        self._words = [sys.executable, "-m", "esptool", "--chip", chip, "--no-stub"]
        self._words += ["--port", port] if port else []

    def _run(self, *words: str) -> None:
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise InsituError(f"{self._board.name}: esptool: {_reason(done.stdout + done.stderr)}")

    def read(self, offset: int, size: int) -> bytes:
        """What is in flash."""
        path = self.folder / "read.bin"
        self._run("read-flash", hex(offset), str(size), str(path))
        return path.read_bytes()

    def write(self, *pieces: tuple[int, bytes]) -> None:
        """Offsets and what is to be there, in this order; sectors are erased first."""
        words = []
        for number, (offset, data) in enumerate(pieces):
            path = self.folder / f"{number}.bin"
            path.write_bytes(data)
            words += [hex(offset), str(path)]
        self._run("write-flash", *words)

    def table(self) -> bytes:
        """The partition table's bytes."""
        return self.read(esp_partitions.OFFSET, esp_partitions.SIZE)

    def check(self, offset: int, data: bytes, what: str) -> None:
        """Raise InsituError unless data is at offset."""
        if self.read(offset, len(data)) != data:
            raise InsituError(f"{self._board.name}: {what} at {offset:#x} of the flash does not read back as it should")


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reasons = [line.partition(_SAYS)[2] for line in lines if _SAYS in line]
    return (reasons or lines or ["it ended without a word"])[-1]


@contextmanager
def boot_loader(board: Board, port: str | None) -> Iterator[BootLoader]:
    """The one at port; None: esptool looks for it. Raises InsituError where esptool is not installed."""
    if importlib.util.find_spec("esptool") is None:
        raise InsituError("esptool, which reaches the boot loaders of ESP32, is not installed: pip install esptool")
    with tempfile.TemporaryDirectory(prefix="insitu-esptool-") as folder:
        yield BootLoader(board, port, Path(folder))


def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
    """See Writer. The partition table is read before, to find the partition, and compared afterwards."""
    board = target.board
    with boot_loader(board, target.port) as loader:
        table = loader.table()
        partition = esp_partitions.find(esp_partitions.parse(table), NAME)
        if partition is None:
            raise InsituError(f"{board.name}: no partition {NAME}: make it with `insitu partition`")
        offset = partition.offset + address - board.image.address
        if not partition.offset <= offset <= offset + len(data) <= partition.end:
            raise InsituError(f"{board.name}: {len(data)} bytes are not inside partition {NAME} of {partition.size}")
        # The start comes last: until then there is no image that its CRC holds for.
        pieces = [(offset, data[:SECTOR])]
        if rest := data[SECTOR:]:
            pieces.insert(0, (offset + SECTOR, rest))
        loader.write(*pieces)
        loader.check(offset, data, "the image")
        loader.check(esp_partitions.OFFSET, table, "the partition table")
    progress(len(data), len(data))


ESPTOOL = Writer(Over.BOOT_LOADER, write, "esptool and the boot loader in the chip's ROM", reads_back=True)
