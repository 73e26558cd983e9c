"""The flash of an emulated board: a file that keeps what is written, erased bytes 0xFF."""

from __future__ import annotations

from pathlib import Path

from insitu.board.record import Region
from insitu.errors import InsituError


class FlashFile:
    """Attributes: region: the part of the CPU's addresses that the file holds, first byte first."""

    def __init__(self, path: Path, region: Region) -> None:
        self.path, self.region = path, region

    def make(self) -> None:
        """An erased one, unless it is there already and has the right size."""
        if self.path.exists() and self.path.stat().st_size == self.region.size:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"\xff" * self.region.size)

    def write(self, address: int, data: bytes) -> None:
        """Write data to an address of the CPU, whatever was there. Raises InsituError where it is not all inside."""
        if not self.region.holds(Region(address, len(data))):
            raise InsituError(f"{len(data)} bytes at {address:#010x} are not inside the flash at {self.region}")
        self.make()
        with self.path.open("r+b") as file:
            file.seek(address - self.region.address)
            file.write(data)

    def read(self, address: int, size: int) -> bytes:
        """What is there; erased bytes where nothing was ever written."""
        if not self.path.exists():
            return b"\xff" * size
        with self.path.open("rb") as file:
            file.seek(address - self.region.address)
            return file.read(size)
