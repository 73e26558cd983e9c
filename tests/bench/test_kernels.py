"""The measurements themselves; `make bench` has the bars."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu.sim import CPUS

from bench import bars, bulk, device, instances, interruptible, kernels, native, signature, smallest, windows


def test_there_are_enough_kernels() -> None:
    assert len(kernels.names()) >= 20


@pytest.mark.parametrize("target", CPUS)
def test_a_kernel_is_measured(target: str, tmp_path: Path) -> None:
    row = kernels._measure("crc32", target, tmp_path)
    assert row.native.keys() == native.COMPILERS.keys()
    assert 0 < row.speed("clang") < 2
    assert row == kernels._measure("crc32", target, tmp_path)


def test_the_better_compiler_is_the_yardstick() -> None:
    row = kernels.Row("t", "k", {"clang": kernels.Cost(100, 10), "gcc": kernels.Cost(80, 5)}, kernels.Cost(120, 15))
    assert (row.speed("clang"), row.speed("gcc"), row.speed_against_better, row.size) == (1.2, 1.5, 1.5, 1.5)


def test_a_missed_bar_is_missed() -> None:
    cost = kernels.Cost
    names = (*kernels.FIRST, kernels.MIX)
    native_costs = {"clang": cost(10, 10, (20, 30)), "gcc": cost(8, 10, (20, 30))}
    rows = [kernels.Row("cortex-m3", name, native_costs, cost(241, 18, (20, 60))) for name in names]
    measured = bars.Measured(
        kernels=rows,
        bulk=[bulk.Bulk("cortex-m3", copy=0.1, copy_misaligned=0.1, copy_onto_itself=9.0, fill=0.1)],
        instances=[instances.InstanceCalls("cortex-m3", inside=10.0, between=11.0)],
        calls=[device.Calls("b", python=100.0, export=101.0, import_=120.0)],
        call_ram=[device.CallMemory("b", kept=0.1, by_name=32.0, memory_read=500.0)],
        memory=[device.Memory("b", global_heap=513, micropython_heap=2048)],
        packages=[
            device.Package("b", "romfs", 16385),
            device.Package("b", "frozen", 10240),
            device.Package("b", "serial", 49153),
        ],
        allocator=(1300.0, 1301.0),
        verifying=[signature.Verifying("cortex-m3", instructions=32_000_001, ram=3072, image=8000)],
        smallest=[smallest.Smallest("rv32imc", "k", insitu=132, native=100)],
        windows=[windows.Windowed("cortex-m4f", 1.0, 9.0, 1.0, 1.0, 1.0, hit=36, unwritten=46, first_write=120)],
        first_writes=[windows.FirstWrites("b", 10_001.0)],
        interruptible=[interruptible.Interruptible("rv32imc", "k", instructions=1.2, bytes=1.3)],
    )
    missed = [bar.what for bar in bars.bars(measured) if not bar.met]
    assert missed == [
        "cycles against clang, 5 wait states, geometric mean",
        "kernels against clang, geometric mean",
        "kernels against the better compiler, geometric mean",
        "first ten kernels against clang, geometric mean",
        "first ten kernels against the better, geometric mean",
        "kernels against clang, worst",
        "mix of list, matrix, states, CRC against clang",
        "code bytes against clang, geometric mean",
        "memory.copy, onto itself, a byte",
        "smallest code, bytes against clang -Os, geometric mean",
        "instructions in a window against fixed, worst",
        "a far read of what was never written, instructions",
        "first writes, instructions on average",
        "kernels with --interruptible, geometric mean",
        "verifying a signature, instructions",
        "export against Python function",
        "allocated by f(1), bytes",
        "global heap, bytes",
        "package, romfs, bytes",
        "package, serial, bytes",
        "worst free, instructions",
    ]
