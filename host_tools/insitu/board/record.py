"""What a board is: plain records, made from its file by boards.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Region:
    """Memory as the CPU sees it: address and size in bytes."""

    address: int
    size: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.size

    def holds(self, other: Region) -> bool:
        """Whether all of other lies inside."""
        return self.address <= other.address and other.end <= self.end

    def overlaps(self, other: Region) -> bool:
        """Whether they have a byte in common."""
        return self.address < other.end and other.address < self.end

    def __str__(self) -> str:
        return f"{self.address:#010x} to {self.end - 1:#010x}"


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip, or a family of chips that differ in nothing that insitu sees.

    Attributes:
        name: as its maker writes it; core: of the CPU.
        target: a name of aot/targets.py.
        flash: memory that keeps what is written and is executed where it lies.
        sectors: how many of which size in bytes lie one behind the other in it, each erased as a whole; (): not known.
        controller: what programs the flash from inside, a name of flash/device.py; "": nothing that insitu knows.
        ram: regions of RAM by name; code reaches data in all of them.
    """

    name: str
    core: str
    target: str
    flash: Region
    sectors: tuple[tuple[int, int], ...]
    controller: str
    ram: Mapping[str, Region] = field(hash=False)

    def sectors_in(self, region: Region) -> list[Region]:
        """The sectors that have a byte in common with region."""
        found, address = [], self.flash.address
        for count, size in self.sectors:
            found += [Region(address + i * size, size) for i in range(count)]
            address += count * size
        return [sector for sector in found if sector.overlaps(region)]


@dataclass(frozen=True, slots=True)
class Firmware:
    """The stock MicroPython of a board.

    Attributes:
        port, board: the folder of MicroPython's ports/, and the board of it.
        make: further arguments of its build.
        reports: what sys.implementation._machine says there; "": not known.
        region: what it takes of the chip's flash, its file system may lie inside; None: it lies elsewhere.
    """

    port: str
    board: str
    make: tuple[str, ...]
    reports: str
    region: Region | None


@dataclass(frozen=True, slots=True)
class Board:
    """A board.

    Attributes:
        target: a name of aot/targets.py; the chip's.
        image: where images lie, free of the firmware and its file system; why: why it is.
        module_code, package_code: where the code of `insitu mpy`'s modules and of the device package lies apart from
            their files, behind the images; None: it has no place of its own there.
        package: where a ROM partition with the device package lies, None: the firmware mounts none.
        filesystem: where the firmware's file system lies, None: it has none.
        global_heap: bytes that `insitu run` takes for the global heap unless told otherwise.
        heap_address: where they are, in RAM that MicroPython does not use; None: a bytearray on its heap.
        writers: names of flash/, the best first.
        deploy: how the device package gets there, a key of package/deploy.py's METHODS; "": what else there is says.
        hardware: what has run on real hardware, "not tried" where nothing has.
        emulator: the table [machine]: its kind, a name of machine/, and what that kind wants to know; None: none.
    """

    name: str
    description: str
    chip: Chip
    firmware: Firmware
    image: Region
    why: str
    module_code: Region | None
    package_code: Region | None
    package: Region | None
    filesystem: Region | None
    global_heap: int
    heap_address: int | None
    writers: tuple[str, ...]
    deploy: str
    hardware: str
    emulator: Mapping[str, Any] | None = field(hash=False)

    @property
    def target(self) -> str:
        return self.chip.target

    @property
    def written(self) -> Region:
        """All of the flash that insitu writes: the images' place and those of code behind it."""
        end = max(region.end for region in (self.image, self.module_code, self.package_code) if region)
        return Region(self.image.address, end - self.image.address)

    @property
    def in_rom_partition(self) -> bool:
        """Whether its images lie in a ROM partition of the firmware's, with what else is in a file system."""
        return self.writers[:1] == ("romfs",)

    @property
    def mapped(self) -> bool:
        """Whether the CPU sees its images only once it has mapped a partition; chip.flash is the window for that."""
        return self.chip.controller == "esp32"

    def heap_place(self, size: int) -> tuple[int | None, int]:
        """Address (None: a bytearray on MicroPython's heap) and size of a global heap of size bytes; 0: the board's.

        One that fits lies where the board's lies.
        """
        return (self.heap_address if size <= self.global_heap else None), size or self.global_heap


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A board that people ask for and that insitu cannot do.

    Attributes:
        chip, core: as its maker writes them; why: what stands in the way, and what can be done where anything can.
        reports: what sys.implementation._machine says there.
    """

    name: str
    description: str
    chip: str
    core: str
    why: str
    reports: str
