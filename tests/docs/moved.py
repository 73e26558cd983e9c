"""A page's board where an emulated machine has memory, and its file system with the package."""

from __future__ import annotations

from dataclasses import replace

from insitu.board.record import Board, Region
from insitu.mpy.romfs import build_romfs
from insitu.package.files import Package


def moved(board: Board, address: int) -> Board:
    """The board with its flash at an address."""
    by = address - board.chip.flash.address
    chip = replace(board.chip, flash=Region(address, board.chip.flash.size))
    image, code = (region and Region(region.address + by, region.size) for region in (board.image, board.package_code))
    assert image is not None
    return replace(board, chip=chip, image=image, package_code=code)


def file_system(sent: Package, address: int) -> bytes:
    """With the package on it, for an address: sending it is tests/package/'s."""
    found = {f"lib/{name}": data for name, data in sent.installed.items()}
    return build_romfs(found, address, lambda path, data, address: data)
