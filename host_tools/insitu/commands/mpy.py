"""`insitu mpy`: MicroPython modules whose machine code stays in flash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from insitu.board.record import Board, Region
from insitu.commands.build import read_file
from insitu.errors import InsituError
from insitu.flash import partition
from insitu.flash.modules import CODE
from insitu.flash.romfs import IMAGE_OFFSET
from insitu.link.raw_repl import Link
from insitu.mpy import link, romfs
from insitu.mpy.cross import MARCH, compile_source
from insitu.mpy.device import loader_files
from insitu.mpy.read import read
from insitu.mpy.report import Row, row
from insitu.port.xip.inplace.ports import REFUSED

CODE_FILE = "modules" + CODE  # the code that lies apart
_SECTOR = 4096  # code that lies apart begins at a multiple of it where the chip's sectors are not known
_IN_C = "written in C: its code is made for RAM"


@dataclass(frozen=True, slots=True)
class Made:
    """Attributes: files: what is to be written, by name; address: of the one for flash; rows: the modules."""

    files: dict[str, bytes]
    address: int
    rows: list[Row]


def collect(paths: Iterable[Path], board: Board) -> dict[str, bytes]:
    """Files for a board by path in its file system: sources compiled, everything else as it is.

    A folder that is a package comes under its name, of any other what is in it. Raises InsituError.
    """
    files: dict[str, bytes] = {}
    for path in paths:
        for name, file in sorted(_below(path)):
            data = read_file(file)
            if file.suffix == ".py":
                name = name.removesuffix(".py") + ".mpy"
                data = compile_source(data.decode(), MARCH[board.target], name.removesuffix("mpy") + "py")
            if name in files:
                raise InsituError(f"{file}: there is a {name} already")
            files[name] = data
    return files


def _below(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield path.name, path
        return
    root = path.parent if (path / "__init__.py").exists() or (path / "__init__.mpy").exists() else path
    for file in path.rglob("*"):
        if file.is_file() and not any(part.startswith((".", "__pycache__")) for part in file.relative_to(path).parts):
            yield file.relative_to(root).as_posix(), file


def place(board: Board, port: str | None) -> Region | None:
    """The board's ROM partition, as its file or the firmware at port says it; None: it has none."""
    if board.package is not None:
        return board.package
    if port is None:
        known = "romfs" in board.writers
        return Region(board.image.address - IMAGE_OFFSET, board.image.size + IMAGE_OFFSET) if known else None
    with Link(port) as line:
        found = partition.partitions(line, board)
    return next(iter(found.values()), None)


def make(files: dict[str, bytes], board: Board, where: Region | None, name: str) -> Made:
    """Modules linked for the board, in a ROM file system called name, or, where it has none, apart from their code.

    Raises InsituError, also where the board's port cannot execute flash by its address.
    """
    for start, why in REFUSED.items():
        if board.firmware.port.startswith(start):
            raise InsituError(f"{board.name}: {why}: modules are copied to RAM there, as mpy-cross makes them")
    made = _apart(files, board) if where is None else _romfs(files, board, where, name)
    most = board.image if where is None else where
    size = len(made.files[CODE_FILE if where is None else name])
    if size > most.size:
        raise InsituError(f"the modules take {size} bytes of flash, {board.name} has {most.size}")
    return made


def _romfs(files: dict[str, bytes], board: Board, where: Region, name: str) -> Made:
    rows: list[Row] = []

    def convert(path: str, data: bytes, address: int) -> bytes:
        linked = romfs.linked(path, data, address)
        if path in files and path.endswith(".mpy"):
            module = read(data)
            note = _IN_C if module.is_relocated else "" if module.has_native_code else "no machine code"
            rows.append(row(path, module, len(data), len(linked), from_rom=True, note=note))
        return linked

    image = romfs.build_romfs({**files, **loader_files(board.target)}, where.address, convert)
    return Made({name: image}, where.address, rows)


def _sector_before(board: Board, address: int) -> int:
    """The start of the sector that address lies in."""
    starts = [sector.address for sector in board.chip.sectors_in(board.image) if sector.address <= address]
    return max(starts, default=address - address % _SECTOR)


def _apart(files: dict[str, bytes], board: Board) -> Made:
    """All code at the end of the place for images, so that an image fits before it."""
    modules = {path: read(data) for path, data in files.items() if path.endswith(".mpy")}
    linked = [path for path, module in modules.items() if not module.is_relocated]
    size = sum(len(link.apart(files[path], 0)[1]) for path in linked)
    address = _sector_before(board, board.image.end - size)
    made, rows, code = dict(files), list[Row](), b""
    for path, module in modules.items():
        before = len(files[path])
        if path in linked:
            made[path], piece = link.apart(files[path], address + len(code))
            code += piece
            rows.append(row(path, module, before, len(made[path]) + len(piece), from_rom=False))
        else:
            rows.append(row(path, module, before, before, from_rom=False, note=_IN_C))
    return Made({**made, **loader_files(board.target), CODE_FILE: code}, address, rows)
