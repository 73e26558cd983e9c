"""The measurements themselves; `make bench` has the bars."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu.sim import CPUS

from bench import bars, device, kernels


def test_there_are_enough_kernels() -> None:
    assert len(kernels.names()) >= 8


@pytest.mark.parametrize("target", CPUS)
def test_a_kernel_is_measured_and_meets_the_bars(target: str, tmp_path: Path) -> None:
    row = kernels._measure("crc32", target, tmp_path)
    assert 0 < row.speed <= bars.WORST_SPEED
    assert row == kernels._measure("crc32", target, tmp_path)


def test_a_missed_bar_is_missed() -> None:
    row = kernels.Row("t", "k", native=100, insitu=290, native_bytes=10, insitu_bytes=19)
    call = device.Calls("b", python=100.0, export=501.0, import_=500.0)
    use = device.Memory("b", global_heap=513, micropython_heap=2048)
    packages = [
        device.Package("b", "romfs", 16385),
        device.Package("b", "frozen", 10240),
        device.Package("b", "serial", 49153),
    ]
    missed = [bar.what for bar in bars.bars([row], [call], [use], packages, (1300.0, 1301.0)) if not bar.met]
    assert missed == [
        "instructions against native, geometric mean",
        "instructions against native, worst",
        "code bytes against native, geometric mean",
        "export against Python function",
        "global heap, bytes",
        "package, romfs, bytes",
        "package, serial, bytes",
        "worst free, instructions",
    ]
