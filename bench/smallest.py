"""The smallest code, in bytes: of `insitu build --optimise size` of a kernel's source against clang's native -Os."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from insitu.aot.efforts import SIZE
from insitu.aot.plan import Plan
from insitu.aot.targets import TARGETS
from insitu.wasm.decode import decode

from bench import compiled, kernels, native

_TARGETS = ("cortex-m4f", "rv32imc")


@dataclass(frozen=True, slots=True)
class Smallest:
    """Bytes of a kernel's own code on a target."""

    target: str
    kernel: str
    insitu: int
    native: int

    @property
    def size(self) -> float:
        return self.insitu / self.native


def _measure(target_name: str, kernel: str, folder: Path) -> Smallest:
    source, target = kernels.SOURCES / f"{kernel}.c", TARGETS[target_name]
    place = folder / "smallest" / target_name
    place.mkdir(parents=True, exist_ok=True)
    made = native.compile_kernel(source, target, place, "clang", "-Os")
    wasm = compiled.compile_kernel(source, place, target, small=True)
    own = compiled.own_code_bytes(Plan(decode(wasm), target), SIZE)
    return Smallest(target_name, kernel, own, native.code_bytes(*made))


def measure(folder: Path) -> list[Smallest]:
    """All rows, by target and kernel."""
    jobs = [(target, kernel) for target in _TARGETS for kernel in kernels.names()]
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_measure, *zip(*jobs, strict=True), [folder] * len(jobs)))
