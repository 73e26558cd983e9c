"""What polls cost: the kernels built with --interruptible, against the same without."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from insitu import aot
from insitu.aot.targets import TARGETS

from bench import compiled, kernels

MEASURED = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "rv32imc")


@dataclass(frozen=True, slots=True)
class Interruptible:
    """One kernel on one target: executed instructions and code bytes, to 1 without polls."""

    target: str
    kernel: str
    instructions: float
    bytes: float


def _measure(row: kernels.Row, folder: Path) -> Interruptible:
    target = TARGETS[row.target]
    wasm = compiled.compile_kernel(kernels.SOURCES / f"{row.kernel}.c", folder / row.target, target)
    built = aot.compile_module(wasm, row.target, aot.Options(interruptible=True))
    result, executed = compiled.run(built.image, target, kernels.TIMES)
    kernels.check(f"{row.kernel} on {row.target} with polls", result, compiled.oracle(wasm, kernels.TIMES))
    speed = executed.instructions / row.insitu.instructions
    size = compiled.bytes_of(built.objects, built.code) / row.insitu.bytes
    return Interruptible(row.target, row.kernel, speed, size)


def measure(rows: list[kernels.Row], folder: Path) -> list[Interruptible]:
    """Of the rows that kernels.measure gave in that folder."""
    jobs = [row for row in rows if row.target in MEASURED]
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_measure, jobs, [folder] * len(jobs)))


def means(found: list[Interruptible]) -> Iterator[tuple[str, float, float, Interruptible]]:
    """Of each target: geometric means of instructions and bytes, and the kernel that takes most instructions."""
    for target in MEASURED:
        rows = [row for row in found if row.target == target]
        if rows:
            speed = kernels.geometric_mean(row.instructions for row in rows)
            size = kernels.geometric_mean(row.bytes for row in rows)
            yield target, speed, size, max(rows, key=lambda row: row.instructions)
