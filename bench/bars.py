"""What the measurements must not exceed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from bench import allocator
from bench.device import CallMemory, Calls, Memory, Package
from bench.kernels import Row, geometric_mean

MEAN_SPEED, MEAN_BETTER, WORST_SPEED, MEAN_SIZE = 1.4, 1.55, 2.4, 1.65
EXPORT_CALL, IMPORT_CALL = 1.0, 1.2
ALLOCATION = 1300
GLOBAL_HEAP, MICROPYTHON_HEAP = 512, 2048
CALL_KEPT, CALL_BY_NAME = 0, 32  # bytes
PACKAGE = {"romfs": 16 * 1024, "frozen": 10 * 1024, "files": 24 * 1024, "serial": 48 * 1024}


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured figure and what it may be at most."""

    what: str
    where: str
    measured: float
    most: float

    @property
    def met(self) -> bool:
        return self.measured <= self.most


def bars(
    rows: list[Row],
    calls: list[Calls],
    allocated: list[CallMemory],
    memory: list[Memory],
    packages: list[Package],
    worst: tuple[float, float],
) -> list[Bar]:
    """All of them, in the order of the tables."""
    found = []
    for target, group in groupby(rows, lambda row: row.target):
        members = list(group)
        speed = geometric_mean(row.speed("clang") for row in members)
        better = geometric_mean(row.speed_against_better for row in members)
        size = geometric_mean(row.size for row in members)
        worst_speed = max(row.speed("clang") for row in members)
        found.append(Bar("instructions against clang, geometric mean", target, speed, MEAN_SPEED))
        found.append(Bar("instructions against the better compiler, geometric mean", target, better, MEAN_BETTER))
        found.append(Bar("instructions against clang, worst", target, worst_speed, WORST_SPEED))
        found.append(Bar("code bytes against clang, geometric mean", target, size, MEAN_SIZE))
    for call in calls:
        found.append(Bar("export against Python function", call.board, call.export / call.python, EXPORT_CALL))
        found.append(Bar("import against Python function", call.board, call.import_ / call.python, IMPORT_CALL))
    for used in allocated:
        found.append(Bar("allocated by f(1), bytes", used.board, used.kept, CALL_KEPT))
        found.append(Bar("allocated by inst.exports.f(1), bytes", used.board, used.by_name, CALL_BY_NAME))
    for use in memory:
        found.append(Bar("global heap, bytes", use.board, use.global_heap, GLOBAL_HEAP))
        found.append(Bar("MicroPython heap, bytes", use.board, use.micropython_heap, MICROPYTHON_HEAP))
    for package in packages:
        found.append(Bar(f"package, {package.way}, bytes", package.board, package.bytes, PACKAGE[package.way]))
    for what, cost in zip(("alloc", "free"), worst, strict=True):
        found.append(Bar(f"worst {what}, instructions", allocator.BOARD, cost, ALLOCATION))
    return found
