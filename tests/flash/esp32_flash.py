"""ESP32-C3 and ESP32-C6 as a program on them sees them: flash behind its MMU and its cache, partitions of the firmware.

After Espressif's technical reference manuals ("System and Memory", "Cache") as ESP-IDF has them: soc/esp32c3 and
soc/esp32c6: ext_mem_defs.h, extmem_reg.h, spi_mem_reg.h. What the cache holds is seen until it is invalidated; where no
entry says anything an access is an exception, and a board starts again. The power can go within any operation.
"""

from __future__ import annotations

import builtins
import random
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from esp_idf_defs.partitions import PartitionTable

from tests.flash import board
from tests.flash.stm32_flash import PowerCut
from tests.port.conftest import image

PAGE, SECTOR, LINE = 0x10000, 0x1000, 32
# ports/esp32/partitions-4MiB.csv of MicroPython
STOCK = """
nvs,      data, nvs,     0x9000,  0x6000,
phy_init, data, phy,     0xf000,  0x1000,
factory,  app,  factory, 0x10000, 0x1F0000,
vfs,      data, fat,     0x200000, 0x200000,
"""
FIRMWARE = range(31)  # entries of the firmware's code and constants: all pages that `factory` can have


def table(csv: str) -> bytes:
    """As Espressif's gen_esp32part makes it, whose code esp-idf-defs has."""
    return bytes(PartitionTable.from_csv(csv).to_binary())


# Data that fills three sectors, and code that reads all of it.
_SUM = """(module (memory (export "memory") 1) (data (i32.const 0) "{}")
  (func (export "sum") (param $at i32) (result i32) (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
      (br_if $next (local.tee $at (i32.sub (local.get $at) (i32.const 1)))))
    (local.get $sum)))"""


def some_image(seed: int) -> bytes:
    """An image of three sectors; another for another seed."""
    return image(_SUM.format("".join(f"\\{byte:02x}" for byte in random.Random(seed).randbytes(9001))), "rv32imc")


@dataclass(frozen=True)
class Chip:
    """Windows of the CPU, data first; a valid entry has `bit` equal to `valid`; page: the bits of its number."""

    name: str
    windows: tuple[int, ...]
    entries: int
    bit: int
    valid: bool
    page: int


CHIPS = {
    "esp32c3": Chip("ESP32C3", (0x3C000000, 0x42000000), 128, bit=8, valid=False, page=0xFF),
    "esp32c6": Chip("ESP32C6", (0x42000000,), 256, bit=9, valid=True, page=0x1FF),
}


class MmuFault(Exception):
    """An access where nothing is mapped."""


class Esp32:
    """mem32 and ptr32 of MicroPython, its esp32.Partition, and what the CPU reads.

    Attributes:
        flash: what is in it; left: operations (a sector erased, 256 bytes programmed) until the power goes.
        entries: the flash MMU's; written: those that were written since the reset.
        page_mode: a C6's field for the size of pages, 0: 64 KiB.
    """

    def __init__(self, name: str, partitions: str, seed: int = 0) -> None:
        self.chip, self._random = CHIPS[name], random.Random(seed)
        self.flash = bytearray(random.Random(1).randbytes(0x400000))
        self.flash[0x8000:0x9000] = table(partitions).ljust(0x1000, b"\xff")
        self.left: int | None = None
        self.page_mode = 0
        self.reset()

    def reset(self) -> None:
        """As the boot loader leaves it: the firmware's pages are mapped."""
        free = 0 if self.chip.valid else 1 << self.chip.bit
        self.entries = [free] * self.chip.entries
        for i in FIRMWARE:
            self.entries[i] = self.used(i + 1)
        self.written: list[int] = []
        self.interrupts, self._index, self._busy = True, 0, 0
        self._sync = [0] * 4
        self._cache: dict[int, bytes] = {}

    def used(self, page: int) -> int:
        """The content of an entry for that page."""
        return page | (1 << self.chip.bit if self.chip.valid else 0)

    # --- what the CPU reads ---

    def view(self, address: int, size: int) -> bytes:
        found = bytearray()
        for line in range(address & -LINE, address + size, LINE):
            if line not in self._cache:
                self._cache[line] = self._load(line)
            found += self._cache[line]
        return bytes(found[address % LINE :][:size])

    def _load(self, address: int) -> bytes:
        start = max(window for window in self.chip.windows if window <= address)
        number, offset = divmod(address - start, PAGE)
        entry = self.entries[number]
        if bool(entry >> self.chip.bit & 1) != self.chip.valid:
            raise MmuFault(hex(address))
        at = (entry & self.chip.page) * PAGE + offset
        return bytes(self.flash[at : at + LINE])

    # --- registers ---

    def __getitem__(self, address: int) -> int:
        register, number = self._register(address)
        if register == "entry":
            return self.entries[number]
        if register == "sync" and number == 0:
            self._busy -= 1
            return int(self._busy >= 0)
        assert register == "mode"
        return self.page_mode << 3 | 4  # MEM_FORCE_PU, as after a reset

    def __setitem__(self, address: int, value: int) -> None:
        register, number = self._register(address)
        if register == "index":
            self._index = value
        elif register == "entry":
            assert not self.interrupts, "a firmware's interrupt may change the table, too"
            self.entries[number] = value
            self.written.append(number)
        else:
            assert register == "sync"
            self._sync[number] = value
            if number == 0 and value & 1:
                self._invalidate()

    def _register(self, address: int) -> tuple[str, int]:
        if self.chip.name == "ESP32C3":
            if 0x600C5000 <= address < 0x600C5000 + 4 * self.chip.entries:
                return "entry", (address - 0x600C5000) // 4
            return "sync", ("control", "address", "size").index(
                {0x600C4028: "control", 0x600C402C: "address", 0x600C4030: "size"}[address]
            )
        names = {0x6000237C: ("entry", self._index), 0x60002380: ("index", 0), 0x60002384: ("mode", 0)}
        return names.get(address) or ("sync", [0x600C8098, 0x600C80A0, 0x600C80A4, 0x600C809C].index(address))

    def _invalidate(self) -> None:
        """ESP32-C3: the size counts blocks; C6: bytes, in the caches of a bit map, bit 4 the one that there is."""
        _, address, size, caches = self._sync
        self._busy = 2
        if self.chip.name == "ESP32C3":
            size *= LINE
        else:
            assert caches == 1 << 4
        self._cache = {line: data for line, data in self._cache.items() if not address <= line < address + size}

    # --- the firmware ---

    def partition(self, name: str) -> Partition:
        found = PartitionTable.from_binary(bytes(self.flash[0x8000:0x8C00])).find_by_name(name)
        if found is None:
            raise OSError(2)  # ENOENT
        return Partition(self, found)

    def operation(self, at: int, data: bytes) -> None:
        """data is what flash gets at offset at, unless the power goes within."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                some = self._random.randrange(len(data))
                self.flash[at : at + some] = data[:some]
                raise PowerCut
        self.flash[at : at + len(data)] = data


class Partition:
    """esp32.Partition of MicroPython (ports/esp32/esp32_partition.c) with blocks of a sector."""

    def __init__(self, model: Esp32, row: Any) -> None:
        self._model, self._row = model, row

    def info(self) -> tuple[int, int, int, int, str, bool]:
        row = self._row
        return row.type, row.subtype, row.offset, row.size, row.name, row.encrypted

    def _at(self, block: int, offset: int, size: int) -> int:
        at = block * SECTOR + offset
        if not 0 <= at <= at + size <= self._row.size:
            raise OSError(-258)  # ESP_ERR_INVALID_SIZE
        return int(self._row.offset) + at

    def ioctl(self, command: int, block: int) -> int:
        assert command == 6
        self._model.operation(self._at(block, 0, SECTOR), b"\xff" * SECTOR)
        return 0

    def writeblocks(self, block: int, data: bytes, offset: int) -> None:
        at = self._at(block, offset, len(data))
        for start in range(0, len(data), 256):
            piece = bytes(data[start : start + 256])
            old = self._model.flash[at + start : at + start + len(piece)]
            self._model.operation(at + start, bytes(o & n for o, n in zip(old, piece, strict=True)))

    def readblocks(self, block: int, buffer: bytearray, offset: int) -> None:
        at = self._at(block, offset, len(buffer))
        buffer[:] = self._model.flash[at : at + len(buffer)]


class _Pointer:
    """viper's ptr32."""

    def __init__(self, model: Esp32, address: int) -> None:
        self._model, self._address = model, address

    def __getitem__(self, i: int) -> int:
        return self._model[self._address + 4 * i]

    def __setitem__(self, i: int, value: int) -> None:
        self._model[self._address + 4 * i] = value


class Board(board.Board):
    """The same with an ESP32's modules. Attributes: model: the chip."""

    model: Esp32

    def soft_reset(self) -> None:
        """The MMU keeps its entries."""
        model = self.model
        implementation = SimpleNamespace(_machine=f"{model.chip.name} module with {model.chip.name}")
        self._modules = {
            "sys": SimpleNamespace(implementation=implementation),
            "machine": SimpleNamespace(mem32=model, disable_irq=self._disable, enable_irq=self._enable),
            "micropython": SimpleNamespace(viper=lambda function: function, const=lambda value: value),
            "esp32": SimpleNamespace(Partition=model.partition),
            "uctypes": SimpleNamespace(bytearray_at=model.view),
        }
        self._names = {
            "__builtins__": {**vars(builtins), "__import__": self._import},
            "__name__": "__main__",
            "uint": int,
            "ptr32": lambda address: _Pointer(model, address),
        }
