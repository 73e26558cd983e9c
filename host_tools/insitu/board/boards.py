"""Boards: one TOML file each in boards/, read into plain records."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from insitu import port
from insitu.aot.targets import TARGETS
from insitu.errors import InsituError

ROOT = Path(__file__).resolve().parents[3]
# Beside port/, in a checkout as in a wheel (pyproject.toml).
FOLDER = Path(port.__file__).parent.parent / "boards"


class BoardError(InsituError):
    """A board that is not there, or whose file is wrong."""


@dataclass(frozen=True, slots=True)
class Region:
    """Executable memory: address as the CPU sees it, size in bytes, and where QEMU places what lies there."""

    address: int
    size: int
    place_address: int


@dataclass(frozen=True, slots=True)
class Board:
    """A board.

    Attributes:
        target: a name of aot/targets.py.
        image: where images lie; package: where the ROMFS with the device package lies.
        place: "loader" (QEMU puts it into memory at start) or "pflash" (a flash file that persists).
        global_heap: bytes that `insitu run` takes for the global heap unless told otherwise.
        heap_address: where they are, in RAM that MicroPython does not use; None: a bytearray on its heap.
        qemu: the QEMU command and its machine.
    """

    name: str
    description: str
    chip: str
    target: str
    image: Region
    package: Region
    place: str
    global_heap: int
    heap_address: int | None
    qemu_command: str
    qemu_machine: str

    def heap_place(self, size: int) -> tuple[int | None, int]:
        """Address (None: a bytearray on MicroPython's heap) and size of a global heap of size bytes; 0: the board's."""
        return (None, size) if size else (self.heap_address, self.global_heap)

    @property
    def firmware(self) -> Path:
        return ROOT / "build" / "firmware" / f"{self.name}.elf"

    @property
    def flash_file(self) -> Path:
        """What `insitu flash` wrote: the file that stands for this machine's image region."""
        return ROOT / "build" / "flash" / f"{self.name}.bin"


def _region(table: dict[str, Any]) -> Region:
    return Region(table["address"], table["size"], table["place_address"])


def names() -> list[str]:
    """Names of the boards that insitu comes with."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_board(name: str) -> Board:
    """The board called name, or described by the TOML file of that path. Raises BoardError."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise BoardError(f'no board "{name}"; there are: {", ".join(names())}')
    try:
        table = tomllib.loads(path.read_text())
        board = Board(
            name=path.stem,
            description=table["description"],
            chip=table["chip"],
            target=table["target"],
            image=_region(table["image"]),
            package=_region(table["package"]),
            place=table["image"]["place"],
            global_heap=table["global_heap"]["size"],
            heap_address=table["global_heap"].get("address"),
            qemu_command=table["qemu"]["command"],
            qemu_machine=table["qemu"]["machine"],
        )
    except tomllib.TOMLDecodeError as error:
        raise BoardError(f"{path.name}: {error}") from None
    except KeyError as error:
        raise BoardError(f"{path.name}: the field {error} is missing") from None
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise BoardError(f"{path.name}: {error}") from None
    for rule in RULES:
        if problem := rule(board):
            raise BoardError(f"{path.name}: {problem}")
    return board


def _target_exists(board: Board) -> str:
    return "" if board.target in TARGETS else f'target "{board.target}" is none of {", ".join(TARGETS)}'


def _place_is_known(board: Board) -> str:
    return "" if board.place in ("loader", "pflash") else f'place "{board.place}" is neither loader nor pflash'


def _regions_do_not_overlap(board: Board) -> str:
    first, second = sorted((board.image, board.package), key=lambda region: region.address)
    return "" if first.address + first.size <= second.address else "the image and package regions overlap"


def _regions_are_aligned(board: Board) -> str:
    odd = [region for region in (board.image, board.package) if region.address % 8]
    return f"region {odd[0].address:#x} is not 8-byte aligned" if odd else ""


RULES = (_target_exists, _place_is_known, _regions_do_not_overlap, _regions_are_aligned)
