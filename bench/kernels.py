"""Every kernel on every target: native and insitu's executed instructions and code bytes."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from insitu.aot.targets import TARGETS
from insitu.errors import InsituError
from insitu.sim import CPUS

from bench import compiled, native

SOURCES = Path(__file__).parent / "kernels"
TIMES = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel on one target: executed instructions of run(TIMES), and bytes of its own code."""

    target: str
    kernel: str
    native: int
    insitu: int
    native_bytes: int
    insitu_bytes: int

    @property
    def speed(self) -> float:
        return self.insitu / self.native

    @property
    def size(self) -> float:
        return self.insitu_bytes / self.native_bytes


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def means(rows: list[Row]) -> tuple[float, float]:
    """Geometric means of speed and size."""
    return geometric_mean([row.speed for row in rows]), geometric_mean([row.size for row in rows])


def names() -> list[str]:
    return sorted(path.stem for path in SOURCES.glob("*.c"))


def _measure(kernel: str, target_name: str, folder: Path) -> Row:
    source, target = SOURCES / f"{kernel}.c", TARGETS[target_name]
    place = folder / target_name
    place.mkdir(parents=True, exist_ok=True)
    object_file, elf = native.compile_kernel(source, target, place)
    wasm = compiled.compile_kernel(source, place)
    wanted = compiled.oracle(wasm, TIMES)
    native_result, native_count = native.run(elf, target, TIMES)
    result, count = compiled.run(wasm, target, TIMES)
    if not wanted == result == native_result:
        raise InsituError(f"{kernel} on {target_name}: wasmtime {wanted}, insitu {result}, native {native_result}")
    sizes = native.code_bytes(object_file), compiled.own_code_bytes(wasm, target)
    return Row(target_name, kernel, native_count, count, *sizes)


def measure(folder: Path) -> list[Row]:
    """All rows, by target and kernel; raises InsituError where a result is not wasmtime's."""
    jobs = [(kernel, target) for target in CPUS for kernel in names()]
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_measure, *zip(*jobs, strict=True), [folder] * len(jobs)))
