"""Firmware for the emulators, built by firmware/: the stock one, and one with the device package frozen in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from insitu import places
from insitu.board import boards
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.machine import emulator
from insitu.package import compile as package
from insitu.steps import step

_SCRIPT = boards.FOLDER.with_name("firmware") / "micropython.py"  # beside boards/, in a checkout as in a wheel


def built_firmware(name: str) -> Path:
    """The stock firmware of the board called name, or of that file; built if it is not there.

    It takes minutes: MicroPython's sources come from Debian's archive. Raises InsituError.
    """
    board = boards.load_board(name)
    path = places.firmware(board, emulator(board).FIRMWARE)
    if not path.exists():
        with step(f"building the firmware of {board.name}"):
            _build(board, name)
    return path


def _build(board: Board, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), *words],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "INSITU_BUILD": str(places.folder())},
    )
    if done.returncode:
        raise InsituError(f"no firmware for {board.name}: {done.stderr.strip().removeprefix('setup: ')}")


def frozen_firmware(board: Board) -> Path:
    """A firmware with the package in it, built if it is not there or the package has changed since."""
    folder = places.folder() / "frozen" / board.name
    made = folder / "firmware.elf"
    if _write_package(board, folder / "package") or not made.exists():
        made.unlink(missing_ok=True)
        with step(f"building a firmware for {board.name} with the package in it"):
            _build(board, "--frozen", str(folder), board.name)
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
