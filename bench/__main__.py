"""python -m bench: tables on stdout, build/bench.json, and exit status 1 where a bar is missed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, astuple
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import (
    allocator,
    bulk,
    cycles,
    device,
    instances,
    interruptible,
    kernels,
    native,
    signature,
    smallest,
    windows,
)
from bench.bars import Measured, bars, table_of

ROOT = Path(__file__).parents[1]
_LISTS = (
    "kernels",
    "bulk",
    "instances",
    "calls",
    "call_ram",
    "memory",
    "verifying",
    "smallest",
    "windows",
    "first_writes",
    "interruptible",
)  # of Measured, in bench.json as they are


def _kernel_table(rows: list[kernels.Row]) -> Table:
    table = Table(title=f"Executed instructions of run({kernels.TIMES}), and code bytes without the library")
    names = ("target", "kernel", "insitu", *native.COMPILERS)
    for name in (*names, *(f"/{compiler}" for compiler in native.COMPILERS), "/better", "bytes", "/clang"):
        table.add_column(name, justify="left" if name in ("target", "kernel") else "right")
    for target, group in groupby(rows, lambda row: row.target):
        members = list(group)
        for row in members:
            counts = (row.insitu, *row.native.values())
            table.add_row(
                target,
                row.kernel,
                *(f"{cost.instructions:,}" for cost in counts),
                *(f"{ratio:.2f}" for ratio in _speeds(row)),
                f"{row.insitu.bytes:,}",
                f"{row.size:.2f}",
            )
        means = map(kernels.geometric_mean, zip(*map(_speeds, members), strict=True))
        size = kernels.geometric_mean(row.size for row in members)
        blanks = [""] * (len(native.COMPILERS) + 1)
        table.add_row(
            target, "geometric mean", *blanks, *(f"{mean:.2f}" for mean in means), "", f"{size:.2f}", end_section=True
        )
    return table


def _cycle_table(rows: list[kernels.Row]) -> Table:
    table = Table(title="Estimated cycles against clang and GCC, by wait states of flash, beside instructions")
    columns = [(compiler, waits) for waits in cycles.WAIT_STATES for compiler in native.COMPILERS]
    names = [f"{compiler}, {waits}" for compiler, waits in columns]
    for name in ("target", "kernel", "cycles", *names, "instructions"):
        table.add_column(name, justify="left" if name in ("target", "kernel") else "right")
    for target, group in groupby((row for row in rows if row.target in cycles.CORES), lambda row: row.target):
        members = list(group)
        for row in members:
            ratios = (f"{row.time(*column):.2f}" for column in columns)
            table.add_row(target, row.kernel, f"{row.insitu.cycles[0]:,}", *ratios, f"{row.speed('clang'):.2f}")
        means = (kernels.geometric_mean(row.time(*column) for row in members) for column in columns)
        speed = kernels.geometric_mean(row.speed("clang") for row in members)
        table.add_row(
            target, "geometric mean", "", *(f"{mean:.2f}" for mean in means), f"{speed:.2f}", end_section=True
        )
    return table


def _speeds(row: kernels.Row) -> tuple[float, ...]:
    """Against each of native.COMPILERS, and against the better of them."""
    return (*map(row.speed, native.COMPILERS), row.speed_against_better)


def _package_table(packages: list[device.Package]) -> Table:
    table = Table(title="Bytes of MicroPython's heap that the package takes, by the way in which it was deployed")
    for name in ("board", *device.WAYS):
        table.add_column(name, justify="left" if name == "board" else "right")
    for board, group in groupby(packages, lambda package: package.board):
        found = {package.way: f"{package.bytes:,}" for package in group}
        table.add_row(board, *(found.get(way, "-") for way in device.WAYS))
    return table


def _device_table(calls: list[device.Calls], allocated: list[device.CallMemory], memory: list[device.Memory]) -> Table:
    table = Table(
        title="On the firmware: instructions of a call, bytes that it allocates, bytes of one more loaded and "
        "instantiated demo"
    )
    for name in (
        "board",
        "Python function",
        "export",
        "import",
        "kept",
        "by name",
        "memory[0:4]",
        "global heap",
        "MicroPython heap",
    ):
        table.add_column(name, justify="left" if name == "board" else "right")
    for call, used, use in zip(calls, allocated, memory, strict=True):
        costs = [f"{n:,.0f}" for n in (call.python, call.export, call.import_)]
        table.add_row(
            call.board,
            *costs,
            *(f"{n:,.0f}" for n in (used.kept, used.by_name, used.memory_read)),
            f"{use.global_heap:,}",
            f"{use.micropython_heap:,}",
        )
    return table


def _window_table(found: list[windows.Windowed]) -> Table:
    table = Table(title="A window on linear memory: instructions and code, and instructions of far accesses")
    for name in ("target", "/fixed", "worst", "bytes/growing", "bytes/fixed", "elsewhere", "hit", "unwritten", "first"):
        table.add_column(name, justify="left" if name == "target" else "right")
    for row in found:
        target, *ratios = astuple(row)
        table.add_row(target, *(f"{value:.2f}" for value in ratios[:5]), *(f"{value:.0f}" for value in ratios[5:]))
    return table


def _interruptible_table(found: list[interruptible.Interruptible]) -> Table:
    table = Table(title="--interruptible: instructions and code bytes of the kernels, to 1 without")
    for name in ("target", "instructions", "bytes", "worst", ""):
        table.add_column(name, justify="left" if name in ("target", "") else "right")
    for target, speed, size, worst in interruptible.means(found):
        table.add_row(target, f"{speed:.3f}", f"{size:.2f}", f"{worst.instructions:.2f}", worst.kernel)
    return table


def _call_table(copied: list[bulk.Bulk], called: list[instances.InstanceCalls]) -> Table:
    table = Table(title="Instructions a byte of 4 KiB, and of a loop's round with a call")
    for name in ("target", "copy", "misaligned", "onto itself", "fill", "inside", "other instance"):
        table.add_column(name, justify="left" if name == "target" else "right")
    for block, call in zip(copied, called, strict=True):
        bytes_ = block.copy, block.copy_misaligned, block.copy_onto_itself, block.fill
        table.add_row(block.target, *(f"{n:.2f}" for n in bytes_), f"{call.inside:.0f}", f"{call.between:.0f}")
    return table


def main() -> int:
    folder = ROOT / "build" / "bench"
    rows = kernels.measure(folder)
    calls, call_ram, memory, packages = device.measure(folder)
    measured = Measured(
        kernels=rows,
        bulk=bulk.measure(),
        instances=instances.measure(),
        calls=calls,
        call_ram=call_ram,
        memory=memory,
        packages=packages,
        allocator=allocator.measure(),
        verifying=signature.measure(),
        smallest=smallest.measure(folder),
        windows=windows.measure(),
        first_writes=windows.first_writes(),
        interruptible=interruptible.measure(rows, folder),
    )
    found = bars(measured)
    console = Console(width=120)
    for table in (
        _kernel_table(measured.kernels),
        _cycle_table(measured.kernels),
        _call_table(measured.bulk, measured.instances),
        _device_table(measured.calls, measured.call_ram, measured.memory),
        _package_table(measured.packages),
        _window_table(measured.windows),
        _interruptible_table(measured.interruptible),
        table_of(found),
    ):
        console.print(table)
    result = {
        **{name: [asdict(row) for row in getattr(measured, name)] for name in _LISTS},
        "package_ram": {
            board: {package.way: package.bytes for package in group}
            for board, group in groupby(measured.packages, lambda package: package.board)
        },
        "allocator": dict(zip(("alloc", "free"), measured.allocator, strict=True)),
        "allocator_methods": dict(zip(("alloc", "free"), allocator.measure(methods=True), strict=True)),
        "bars": [asdict(bar) | {"met": bar.met} for bar in found],
    }
    (ROOT / "build" / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(bar.met for bar in found) else 1


if __name__ == "__main__":
    sys.exit(main())
