"""Board files: TOML, one a board in boards/, one a chip in boards/chips/; read into records, checked by rules.py."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from insitu.board.record import Board, Chip, Firmware, Region, Unsupported
from insitu.board.rules import RULES
from insitu.board.table import BoardError, Table
from insitu.port.xip import layout

# Beside port/, in a checkout as in a wheel (pyproject.toml).
FOLDER = Path(layout.__file__).parents[2] / "boards"
CHIPS = FOLDER / "chips"


def names() -> list[str]:
    """Names of the boards that insitu comes with and can do."""
    return sorted(path.stem for path in FOLDER.glob("*.toml") if not _is_unsupported(_read(path)))


def unsupported() -> list[Unsupported]:
    """Those of which it only knows why not."""
    files = ((path.stem, _read(path)) for path in sorted(FOLDER.glob("*.toml")))
    return [_unsupported(name, file) for name, file in files if _is_unsupported(file)]


def emulated() -> list[str]:
    """Names of those that run in an emulator."""
    return [name for name in names() if load_board(name).emulator is not None]


def load_board(name: str) -> Board:
    """The board called name, or described by the TOML file of that path. Raises BoardError."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise BoardError(f'no board "{name}"; there are: {", ".join(names())}')
    file = _read(path)
    if _is_unsupported(file):
        raise BoardError(f"{path.stem} is not supported: {_unsupported(path.stem, file).why}")
    board = _board(path.stem, file)
    for rule in RULES:
        if problem := rule(board):
            raise BoardError(f"{path.name}: {problem}")
    return board


def _read(path: Path) -> Table:
    try:
        return Table(path.name, "", tomllib.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BoardError(f"{path.name}: {error}") from None


def _is_unsupported(file: Table) -> bool:
    return "unsupported" in file.names()


def _unsupported(name: str, file: Table) -> Unsupported:
    found = Unsupported(
        name=name,
        description=file.text("description"),
        chip=file.text("chip"),
        core=file.text("core"),
        why=file.text("unsupported"),
        reports=file.text("reports"),
    )
    file.nothing_left()
    return found


def _board(name: str, file: Table) -> Board:
    description, chip, firmware = file.text("description"), _chip(file.text("chip"), file), file.table("firmware")
    image, heap, flash = file.table("image"), file.table("global_heap"), file.maybe_table("flash")
    module_code, package_code, package, filesystem = (
        _region(table) if (table := file.maybe_table(key)) else None
        for key in ("module_code", "package_code", "package", "filesystem")
    )
    machine = file.maybe_table("machine")
    board = Board(
        name=name,
        description=description,
        chip=chip,
        firmware=_firmware(firmware),
        image=_region(image),
        why=image.text("why", ""),
        module_code=module_code,
        package_code=package_code,
        package=package,
        filesystem=filesystem,
        global_heap=heap.number("size"),
        heap_address=heap.maybe_number("address"),
        writers=flash.texts("writers") if flash else (),
        deploy=flash.text("deploy", "") if flash else "",
        hardware=file.text("hardware", "not tried"),
        emulator=_emulator(machine) if machine else None,
    )
    file.nothing_left()
    return board


def _chip(name: str, file: Table) -> Chip:
    """The chip of chips/NAME.toml."""
    path = CHIPS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in CHIPS.glob("*.toml")))
        raise BoardError(f'{file.file}: no chip "{name}"; there are: {known}')
    found = _read(path)
    flash, ram = found.table("flash"), found.table("ram")
    chip = Chip(
        name=found.text("name"),
        core=found.text("core"),
        target=found.text("target"),
        flash=_region(flash),
        sectors=flash.pairs("sectors"),
        controller=flash.text("controller", ""),
        ram={key: _region(ram.table(key)) for key in ram.names()},
    )
    found.nothing_left()
    return chip


def _firmware(table: Table) -> Firmware:
    end, start = table.maybe_number("end"), table.maybe_number("address")
    region = None if end is None or start is None else Region(start, end - start)
    return Firmware(table.text("port"), table.text("board"), table.texts("make", ()), table.text("reports", ""), region)


def _region(table: Table) -> Region:
    return Region(table.number("address"), table.number("size"))


def _emulator(table: Table) -> Mapping[str, Any]:
    table.text("kind")
    return table.rest()
