"""The rules that a board keeps, one function each: what is wrong, or nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from insitu.aot.targets import TARGETS
from insitu.board.record import Board, Region


def _written(board: Board) -> list[tuple[str, Region]]:
    """What insitu writes, by name, in the order in which it lies there."""
    found = (("image", board.image), ("module_code", board.module_code), ("package_code", board.package_code))
    return [(name, region) for name, region in found if region is not None]


def _regions(board: Board) -> Iterator[tuple[str, Region]]:
    """What lies in a board's flash, by name."""
    found = (
        *_written(board),
        ("package", board.package),
        ("firmware", board.firmware.region),
        ("filesystem", board.filesystem),
    )
    return ((name, region) for name, region in found if region is not None)


def _target_exists(board: Board) -> str:
    return "" if board.target in TARGETS else f'target "{board.target}" is none of {", ".join(TARGETS)}'


def _regions_do_not_overlap(board: Board) -> str:
    regions = sorted(_regions(board), key=lambda pair: pair[1].address)
    for (first, one), (second, other) in itertools.combinations(regions, 2):
        # STM32: vectors, file system, the rest of the firmware
        inside = (first, second) == ("firmware", "filesystem") and one.holds(other)
        if one.overlaps(other) and not inside:
            return f"{first} ({one}) and {second} ({other}) overlap"
    return ""


def _sectors_fill_flash(board: Board) -> str:
    chip = board.chip
    size = sum(count * size for count, size in chip.sectors)
    if size in (0, chip.flash.size):
        return ""
    return f"the sectors of {chip.name} have {size:#x} bytes, its flash {chip.flash.size:#x}"


def _written_regions_have_their_sectors_alone(board: Board) -> str:
    for name, region in _written(board):
        for sector in board.chip.sectors_in(region):
            if not region.holds(sector):
                return f"{name} ({region}) does not have all of the sector {sector}, which is erased as a whole"
    return ""


def _code_follows_images(board: Board) -> str:
    for (before, one), (name, region) in itertools.pairwise(_written(board)):
        if one.end != region.address:
            return f"{name} ({region}) does not begin where {before} ({one}) ends"
    return ""


def _regions_lie_in_flash(board: Board) -> str:
    for name, region in _regions(board):
        if not board.chip.flash.holds(region):
            return f"{name} ({region}) is not inside the flash of {board.chip.name} ({board.chip.flash})"
    return ""


def _regions_are_aligned(board: Board) -> str:
    found = [*_written(board), *([("package", board.package)] if board.package else [])]
    for name, region in found:
        if region.address % 8:
            return f"{name} at {region.address:#010x} is not 8-byte aligned"
    return ""


def _heap_lies_in_ram(board: Board) -> str:
    if board.heap_address is None:
        return ""
    heap = Region(board.heap_address, board.global_heap)
    if any(region.holds(heap) for region in board.chip.ram.values()):
        return ""
    known = ", ".join(f"{name} ({region})" for name, region in board.chip.ram.items())
    return f"global_heap ({heap}) is in no RAM of {board.chip.name}: {known}"


RULES = (
    _target_exists,
    _regions_are_aligned,
    _regions_do_not_overlap,
    _regions_lie_in_flash,
    _sectors_fill_flash,
    _written_regions_have_their_sectors_alone,
    _code_follows_images,
    _heap_lies_in_ram,
)
