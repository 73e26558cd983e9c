"""What the measurements must not exceed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import groupby

from rich.table import Table

from bench import allocator, interruptible
from bench.bulk import Bulk
from bench.cycles import WAIT_STATES
from bench.device import CallMemory, Calls, Memory, Package
from bench.instances import InstanceCalls
from bench.interruptible import Interruptible
from bench.kernels import FIRST, MIX, Row, geometric_mean
from bench.signature import Verifying
from bench.smallest import Smallest
from bench.windows import FirstWrites, Windowed

# Of compiled code, by target: in instructions (a byte where it says so), but for the bytes.
_TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc")
_CODE = {
    "kernels against clang, geometric mean": (1.24, 1.06, 1.09, 1.13, 1.09, 1.03),
    "kernels against the better compiler, geometric mean": (1.36, 1.14, 1.15, 1.2, 1.16, 1.09),
    "first ten kernels against clang, geometric mean": (1.27, 1.04, 1.07, 1.12, 1.07, 1.0),
    "first ten kernels against the better, geometric mean": (1.32, 1.15, 1.15, 1.2, 1.15, 1.04),
    "kernels against clang, worst": (2.2, 1.47, 1.47, 1.49, 1.47, 1.54),
    "mix of list, matrix, states, CRC against clang": (1.82, 1.3, 1.27, 1.3, 1.27, 1.24),
    "code bytes against clang, geometric mean": (1.03, 1.03, 1.03, 1.1, 1.03, 1.28),
    "memory.copy, aligned, a byte": (0.6, 0.5, 0.5, 0.5, 0.5, 0.6),
    "memory.copy, misaligned, a byte": (2.3, 0.6, 0.6, 0.6, 0.6, 0.6),
    "memory.copy, onto itself, a byte": (1.6, 0.5, 0.5, 0.5, 0.5, 0.6),
    "memory.fill, a byte": (0.4, 0.3, 0.3, 0.31, 0.3, 0.4),
    "call of another instance against one inside": (1.3, 1.3, 1.3, 1.3, 1.3, 1.3),
}
# Of a window on linear memory, by target: what issue 13 asks for, or what is reached where that is missed.
_WINDOW_TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
_WINDOW = {
    "instructions in a window against fixed, geometric mean": (1.03, 1.03, 1.03),
    "instructions in a window against fixed, worst": (1.2, 1.2, 1.2),
    "code bytes with a window against growing, geometric mean": (1.15, 1.15, 1.35),
    "code bytes with a window against fixed, geometric mean": (1.35, 1.35, 1.65),
    "code bytes of a window elsewhere against one from 0, geometric mean": (1.1, 1.05, 1.1),
    "a far access that hits, instructions": (36, 36, 42),
    "a far read of what was never written, instructions": (45, 45, 45),
    "a first write from a chunk, instructions": (120, 120, 120),
}
FIRST_WRITE = 10_000  # instructions, chunks through Python included
# Of python -m bench.large, on two idle cores: seconds for a MiB of WebAssembly, and again; MiB of memory.
LARGE, LARGE_AGAIN, LARGE_MEMORY = 20.0, 1.0, 1536
CYCLES = {"cortex-m3": 1.03, "cortex-m4f": 1.07}  # against clang, geometric mean, with each number of wait states
INTERRUPTIBLE = 1.05
SMALLEST = {"cortex-m4f": 1.15, "rv32imc": 1.11}
EXPORT_CALL, IMPORT_CALL = 1.0, 1.2
ALLOCATION = 1300
GLOBAL_HEAP, MICROPYTHON_HEAP = 512, 2048
CALL_KEPT, CALL_BY_NAME = 0, 32  # bytes
PACKAGE = {"romfs": 16 * 1024, "frozen": 10 * 1024, "files": 24 * 1024, "serial": 48 * 1024}
VERIFYING, VERIFYING_RAM = 32_000_000, 3072  # half a second of a Cortex-M4 at 64 MHz; bytes


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


@dataclass(frozen=True, slots=True)
class Measured:
    """All that `make bench` measures; allocator: instructions of the worst alloc and the worst free."""

    kernels: list[Row]
    bulk: list[Bulk]
    instances: list[InstanceCalls]
    calls: list[Calls]
    call_ram: list[CallMemory]
    memory: list[Memory]
    packages: list[Package]
    allocator: tuple[float, float]
    verifying: list[Verifying]
    smallest: list[Smallest]
    windows: list[Windowed]
    first_writes: list[FirstWrites]
    interruptible: list[Interruptible]


def bars(found: Measured) -> list[Bar]:
    """All of them, in the order of the tables."""
    code = *_of_code(found), *_of_smallest(found.smallest), *of_windows(found.windows, found.first_writes)
    return [*code, *_of_interruptible(found.interruptible), *_of_verifying(found.verifying), *_of_firmware(found)]


def _of_code(found: Measured) -> Iterator[Bar]:
    of_target: dict[str, list[float]] = {}
    for target, group in groupby(found.kernels, lambda row: row.target):
        rows = list(group)
        of_target[target] = _of_kernels(rows)
        if target in CYCLES:
            for waits in WAIT_STATES:
                cycles = geometric_mean(row.time("clang", waits) for row in rows)
                yield Bar(f"cycles against clang, {waits} wait states, geometric mean", target, cycles, CYCLES[target])
    for bulk in found.bulk:
        of_target[bulk.target] += [bulk.copy, bulk.copy_misaligned, bulk.copy_onto_itself, bulk.fill]
    for call in found.instances:
        of_target[call.target].append(call.between / call.inside)
    for target, values in of_target.items():
        column = _TARGETS.index(target)
        for (what, most), value in zip(_CODE.items(), values, strict=True):
            yield Bar(what, target, value, most[column])


def _of_smallest(found: list[Smallest]) -> Iterator[Bar]:
    for target, group in groupby(found, lambda row: row.target):
        size = geometric_mean(row.size for row in group)
        yield Bar("smallest code, bytes against clang -Os, geometric mean", target, size, SMALLEST[target])


def of_windows(found: list[Windowed], writes: list[FirstWrites]) -> Iterator[Bar]:
    """Of what bench.windows measured."""
    for row in found:
        column = _WINDOW_TARGETS.index(row.target)
        for (what, most), value in zip(_WINDOW.items(), astuple(row)[1:], strict=True):
            yield Bar(what, row.target, value, most[column])
    for write in writes:
        yield Bar("first writes, instructions on average", write.board, write.instructions, FIRST_WRITE)


def _of_interruptible(found: list[Interruptible]) -> Iterator[Bar]:
    for target, speed, _, _ in interruptible.means(found):
        yield Bar("kernels with --interruptible, geometric mean", target, speed, INTERRUPTIBLE)


def _of_verifying(found: list[Verifying]) -> Iterator[Bar]:
    for cost in found:
        yield Bar("verifying a signature, instructions", cost.target, cost.instructions, VERIFYING)
        yield Bar("verifying a signature, bytes of RAM", cost.target, cost.ram, VERIFYING_RAM)


def _of_kernels(rows: list[Row]) -> list[float]:
    first = [row for row in rows if row.kernel in FIRST]
    return [
        geometric_mean(row.speed("clang") for row in rows),
        geometric_mean(row.speed_against_better for row in rows),
        geometric_mean(row.speed("clang") for row in first),
        geometric_mean(row.speed_against_better for row in first),
        max(row.speed("clang") for row in rows),
        *(row.speed("clang") for row in rows if row.kernel == MIX),
        geometric_mean(row.size for row in rows),
    ]


def _of_firmware(found: Measured) -> Iterator[Bar]:
    for call in found.calls:
        yield Bar("export against Python function", call.board, call.export / call.python, EXPORT_CALL)
        yield Bar("import against Python function", call.board, call.import_ / call.python, IMPORT_CALL)
    for used in found.call_ram:
        yield Bar("allocated by f(1), bytes", used.board, used.kept, CALL_KEPT)
        yield Bar("allocated by inst.exports.f(1), bytes", used.board, used.by_name, CALL_BY_NAME)
    for use in found.memory:
        yield Bar("global heap, bytes", use.board, use.global_heap, GLOBAL_HEAP)
        yield Bar("MicroPython heap, bytes", use.board, use.micropython_heap, MICROPYTHON_HEAP)
    for package in found.packages:
        yield Bar(f"package, {package.way}, bytes", package.board, package.bytes, PACKAGE[package.way])
    for what, cost in zip(("alloc", "free"), found.allocator, strict=True):
        yield Bar(f"worst {what}, instructions", allocator.BOARD, cost, ALLOCATION)


def table_of(found: list[Bar]) -> Table:
    """As a person reads them."""
    table = Table(title="Bars")
    for name in ("what", "where", "measured", "at most", ""):
        table.add_column(name, justify="left" if name in ("what", "where", "") else "right")
    for bar in found:
        table.add_row(bar.what, bar.where, f"{bar.measured:,.2f}", f"{bar.most:,}", "" if bar.met else "MISSED")
    return table
