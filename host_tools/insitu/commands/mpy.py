"""`insitu mpy`: MicroPython modules whose machine code stays in flash."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from insitu.board.record import Board, Region
from insitu.commands.build import read_file
from insitu.errors import InsituError
from insitu.flash import partition
from insitu.flash.modules import CODE
from insitu.flash.romfs import IMAGE_OFFSET
from insitu.link.raw_repl import Link
from insitu.machine import emulated, flash_of
from insitu.mpy import firmware, in_c, link, romfs
from insitu.mpy.cross import MARCH, compile_source
from insitu.mpy.device import loader_files
from insitu.mpy.read import Module, read
from insitu.mpy.report import Row, row
from insitu.port.xip.inplace.ports import REFUSED

CODE_FILE = "modules" + CODE  # the code that lies apart
_SECTOR = 4096  # code that lies apart begins at a multiple of it where the chip's sectors are not known
_IN_C = "written in C: give --port, so that it is linked to the firmware there"
_NOTHING = "no machine code"


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
            _text(os.fsencode(name), file)
            if file.suffix == ".py":
                name = name.removesuffix(".py") + ".mpy"
                data = compile_source(_text(data, file), MARCH[board.target], name.removesuffix("mpy") + "py")
            if name in files:
                raise InsituError(f"{file}: there is a {name} already")
            files[name] = data
    return files


def _text(data: bytes, file: Path) -> str:
    """What is in a file, or its name: MicroPython takes UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InsituError(f"{file} is not in UTF-8: {error}") from None


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


def ask_firmware(files: Mapping[str, bytes], board: Board, port: str | None) -> in_c.Firmware | None:
    """What modules in C are linked to: of the firmware at port, None: in the board's emulator.

    None where no file is such a module, or there is nobody to ask. Raises InsituError.
    """
    if not any(module.is_relocated for module in _modules(files).values()):
        return None
    if port is not None:
        with Link(port) as line:
            return firmware.ask(line, board.name)
    if board.emulator is None:
        return None
    with emulated(board, [], flash_file=flash_of(board).path) as machine, machine.link() as line:
        return firmware.ask(line, board.name)


def _modules(files: Mapping[str, bytes]) -> dict[str, Module]:
    return {path: read(data) for path, data in files.items() if path.endswith(".mpy")}


def make(
    files: dict[str, bytes], board: Board, where: Region | None, name: str, known: in_c.Firmware | None = None
) -> Made:
    """Modules linked for the board, in a ROM file system called name, or, where it has none, apart from their code.

    known: what modules in C are linked to; without it they are left as they are. Raises InsituError, also where the
    board's port cannot execute flash by its address.
    """
    for start, why in REFUSED.items():
        if board.firmware.port.startswith(start):
            raise InsituError(f"{board.name}: {why}: modules are copied to RAM there, as mpy-cross makes them")
    linkages = in_c.linkages(_modules(files), known, len(link.NAMES)) if known else {}
    made = _apart(files, board, linkages) if where is None else _romfs(files, board, where, name, linkages)
    most = where or board.module_code or board.image
    size = len(made.files[CODE_FILE if where is None else name])
    if size > most.size:
        raise InsituError(f"the modules take {size} bytes of flash, {board.name} has {most.size}")
    return made


def _note(module: Module, linkage: in_c.Linkage | None) -> str:
    if not module.has_native_code:
        return _NOTHING
    return _IN_C if module.is_relocated and linkage is None else ""


def _romfs(files: dict[str, bytes], board: Board, where: Region, name: str, linkages: dict[str, in_c.Linkage]) -> Made:
    rows: list[Row] = []
    link_to = partial(romfs.linked, linkages=linkages)

    def convert(path: str, data: bytes, address: int) -> bytes:
        linked = link_to(path, data, address)
        if path in files and path.endswith(".mpy"):
            module = read(data)
            note = _note(module, linkages.get(path))
            rows.append(row(path, module, len(data), len(linked), from_rom=True, note=note))
        return linked

    image = romfs.build_romfs({**files, **loader_files(board.target)}, where.address, convert)
    return Made({name: image}, where.address, rows)


def _sector_before(board: Board, address: int) -> int:
    """The start of the sector that address lies in."""
    starts = [sector.address for sector in board.chip.sectors_in(board.image) if sector.address <= address]
    return max(starts, default=address - address % _SECTOR)


def _apart(files: dict[str, bytes], board: Board, linkages: dict[str, in_c.Linkage]) -> Made:
    """All code in one piece: in its own place, or at the end of that for images, so that an image fits before it."""
    modules = _modules(files)
    linked = [path for path, module in modules.items() if _note(module, linkages.get(path)) != _IN_C]
    size = sum(len(link.apart(files[path], 0, linkages.get(path))[1]) for path in linked)
    address = board.module_code.address if board.module_code else _sector_before(board, board.image.end - size)
    made, rows, code = dict(files), list[Row](), b""
    for path, module in modules.items():
        before = len(files[path])
        if path in linked:
            made[path], piece = link.apart(files[path], address + len(code), linkages.get(path))
            code += piece
            rows.append(row(path, module, before, len(made[path]) + len(piece), from_rom=False))
        else:
            rows.append(row(path, module, before, before, from_rom=False, note=_IN_C))
    return Made({**made, **loader_files(board.target), CODE_FILE: code}, address, rows)
