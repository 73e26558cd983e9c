"""Where insitu keeps what it makes: firmware, the flash of emulated boards."""

from __future__ import annotations

from pathlib import Path

import click

from insitu.board.record import Board

CHECKOUT = Path(__file__).resolve().parents[2]


def in_checkout() -> bool:
    """Whether this insitu is run out of its repository, and not installed."""
    return (CHECKOUT / "firmware" / "micropython.py").is_file()


def folder() -> Path:
    """build/ of the checkout; of an installed insitu the user's own folder for programs' data."""
    return CHECKOUT / "build" if in_checkout() else Path(click.get_app_dir("insitu"))


def firmware(board: Board, suffix: str) -> Path:
    """The firmware that an emulator starts the board with; suffix: of the file's kind, with its dot."""
    return folder() / "firmware" / f"{board.name}{suffix}"


def flash_file(board: Board) -> Path:
    """What was written into the flash of an emulated board."""
    return folder() / "flash" / f"{board.name}.bin"
