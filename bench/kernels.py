"""Every kernel on every target: executed instructions and code bytes, native and by insitu."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from insitu import aot
from insitu.aot.targets import TARGETS
from insitu.errors import InsituError
from insitu.sim import CPUS

from bench import compiled, native
from bench.cycles import CORES, WAIT_STATES, Executed

SOURCES = Path(__file__).parent / "kernels"
TIMES = 3
FIRST = ("crc32", "double", "fir", "int64", "interpreter", "list", "matrix", "quicksort", "sha256", "words")
MIX = "mix"


@dataclass(frozen=True, slots=True)
class Cost:
    """Executed instructions of run(TIMES), bytes of the kernel's own code, and cycles by WAIT_STATES, on CORES."""

    instructions: int
    bytes: int
    cycles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel on one target: by each of native.COMPILERS, and by insitu."""

    target: str
    kernel: str
    native: dict[str, Cost]
    insitu: Cost

    def speed(self, compiler: str) -> float:
        return self.insitu.instructions / self.native[compiler].instructions

    def time(self, compiler: str, wait_states: int) -> float:
        """In cycles; wait_states: one of WAIT_STATES."""
        i = WAIT_STATES.index(wait_states)
        return self.insitu.cycles[i] / self.native[compiler].cycles[i]

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
    wasm = compiled.compile_kernel(source, place, target)
    wanted = compiled.oracle(wasm, TIMES)
    found = {}
    for compiler in native.COMPILERS:
        object_file, elf = native.compile_kernel(source, target, place, compiler)
        result, executed = native.run(elf, target, TIMES)
        check(f"{kernel} on {target_name} by {compiler}", result, wanted)
        found[compiler] = _cost(target_name, executed, native.code_bytes(object_file, elf))
    built = aot.compile_module(wasm, target_name)
    result, executed = compiled.run(built.image, target, TIMES)
    check(f"{kernel} on {target_name} by insitu", result, wanted)
    cost = _cost(target_name, executed, compiled.bytes_of(built.objects, built.code))
    return Row(target_name, kernel, found, cost)


def _cost(target: str, executed: Executed, code_bytes: int) -> Cost:
    cycles = tuple(executed.cycles(target, waits) for waits in WAIT_STATES) if target in CORES else ()
    return Cost(executed.instructions, code_bytes, cycles)


def check(what: str, result: int, wanted: int) -> None:
    """Raise InsituError where a result is not wasmtime's."""
    if result != wanted:
        raise InsituError(f"{what}: {result}, by wasmtime {wanted}")


def measure(folder: Path) -> list[Row]:
    """All rows, by target and kernel; raises InsituError where a result is not wasmtime's."""
    jobs = [(kernel, target) for target in CPUS for kernel in names()]
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_measure, *zip(*jobs, strict=True), [folder] * len(jobs)))
