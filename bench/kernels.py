"""Every kernel on every target: executed instructions and code bytes, native and by insitu."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from insitu.aot.targets import TARGETS
from insitu.errors import InsituError
from insitu.sim import CPUS

from bench import compiled, native

SOURCES = Path(__file__).parent / "kernels"
TIMES = 3
FIRST = ("crc32", "double", "fir", "int64", "interpreter", "list", "matrix", "quicksort", "sha256", "words")
MIX = "mix"


@dataclass(frozen=True, slots=True)
class Cost:
    """Executed instructions of run(TIMES), and bytes of the kernel's own code."""

    instructions: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel on one target: by each of native.COMPILERS, and by insitu."""

    target: str
    kernel: str
    native: dict[str, Cost]
    insitu: Cost

    def speed(self, compiler: str) -> float:
        return self.insitu.instructions / self.native[compiler].instructions

    @property
    def speed_against_better(self) -> float:
        return max(map(self.speed, self.native))

    @property
    def size(self) -> float:
        """Against clang at -O2, which unrolls as insitu does."""
        return self.insitu.bytes / self.native["clang"].bytes


def geometric_mean(ratios: Iterable[float]) -> float:
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms))


def names() -> list[str]:
    return sorted(path.stem for path in SOURCES.glob("*.c"))


def _measure(kernel: str, target_name: str, folder: Path) -> Row:
    source, target = SOURCES / f"{kernel}.c", TARGETS[target_name]
    place = folder / target_name
    place.mkdir(parents=True, exist_ok=True)
    wasm = compiled.compile_kernel(source, place)
    wanted = compiled.oracle(wasm, TIMES)
    found = {}
    for compiler in native.COMPILERS:
        object_file, elf = native.compile_kernel(source, target, place, compiler)
        result, count = native.run(elf, target, TIMES)
        _check(f"{kernel} on {target_name} by {compiler}", result, wanted)
        found[compiler] = Cost(count, native.code_bytes(object_file))
    result, count = compiled.run(wasm, target, TIMES)
    _check(f"{kernel} on {target_name} by insitu", result, wanted)
    return Row(target_name, kernel, found, Cost(count, compiled.own_code_bytes(wasm, target)))


def _check(what: str, result: int, wanted: int) -> None:
    if result != wanted:
        raise InsituError(f"{what}: {result}, by wasmtime {wanted}")


def measure(folder: Path) -> list[Row]:
    """All rows, by target and kernel; raises InsituError where a result is not wasmtime's."""
    jobs = [(kernel, target) for target in CPUS for kernel in names()]
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_measure, *zip(*jobs, strict=True), [folder] * len(jobs)))
