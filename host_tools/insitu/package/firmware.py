"""A firmware with the device package frozen in, built by firmware/ of a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from insitu import places
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.package import compile as package
from insitu.steps import step

_SCRIPT = places.CHECKOUT / "firmware" / "micropython.py"


def frozen_firmware(board: Board) -> Path:
    """A firmware with the package in it, built if it is not there or the package has changed since."""
    if not places.in_checkout():
        raise InsituError("a firmware with the package frozen in is built in a checkout of insitu only")
    folder = places.folder() / "frozen" / board.name
    made = folder / "firmware.elf"
    if _write_package(board, folder / "package") or not made.exists():
        made.unlink(missing_ok=True)
        command = [sys.executable, str(_SCRIPT), "--frozen", str(folder), board.name]
        with step(f"building a firmware for {board.name} with the package in it"):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InsituError(f"no frozen firmware for {board.name}: {done.stderr.strip()}")
    return made


def _write_package(board: Board, folder: Path) -> bool:
    """Write the package's .mpy files below folder, which then has no others; whether any changed."""
    wanted = {folder / "insitu" / name: data for name, data in package.compiled(board).items()}
    surplus = {path for path in folder.rglob("*") if path.is_file()} - wanted.keys()
    for path in surplus:
        path.unlink()
    changed = [path for path, data in wanted.items() if not path.exists() or path.read_bytes() != data]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[path])
    return bool(surplus or changed)
