"""Emulated boards with the newest MicroPython that a package has, beside those with the pinned one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from insitu.board.boards import load_board
from insitu.board.record import Board
from insitu.places import CHECKOUT

_FOLDER = "newest/"
_REASON = "MicroPython of Debian's unstable release could not be built: make build/newest.stamp"


def _is_there(name: str) -> bool:
    return (CHECKOUT / "build" / "firmware" / _FOLDER / f"{name}.elf").is_file()


NEWEST = tuple(
    pytest.param(_FOLDER + name, marks=pytest.mark.skipif(not _is_there(name), reason=_REASON))
    for name in ("qemu_mps2_an385", "qemu_rv32")
)


def load(name: str) -> Board:
    """The board called name; newest/NAME: its twin, which differs in its firmware."""
    return replace(load_board(name.removeprefix(_FOLDER)), name=name)
