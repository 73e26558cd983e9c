"""python -m bench.windows [TARGET ...]: what a window on linear memory costs; exit status 1 where a bar is missed.

Each kernel with all of its memory in the window, against the same with a fixed memory and with a growing one; and what
single accesses outside of a window take.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import wasmtime
from insitu import aot, sim
from insitu.aot.plan import Plan
from insitu.aot.targets import TARGETS
from insitu.aot.window import Wanted
from insitu.wasm.decode import decode
from rich.console import Console
from rich.table import Table

from bench import compiled, kernels
from bench.bars import Bar, table_of
from bench.native import FLASH

FOLDER = Path(__file__).parents[1] / "build" / "bench" / "windows"
MEASURED = ("cortex-m0plus", "cortex-m4f", "rv32imc")
_ELSEWHERE = 256  # inside of every kernel's memory
MEAN_SPEED, WORST_SPEED = 1.03, 1.20
# by whether the target is a Cortex-M: code bytes against a growing memory and against a fixed one
SIZES = {True: (1.15, 1.35), False: (1.35, 1.65)}
HIT, UNWRITTEN, FIRST_WRITE = {True: 36, False: 42}, 45, 120


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel: instructions and code bytes by kind of memory; elsewhere: the window begins behind 0."""

    kernel: str
    fixed: int
    window: int
    fixed_bytes: int
    growing_bytes: int
    window_bytes: int
    elsewhere_bytes: int


def _measure(kernel: str, name: str) -> Row:
    target, place = TARGETS[name], FOLDER / name
    place.mkdir(parents=True, exist_ok=True)
    wasm = compiled.compile_kernel(kernels.SOURCES / f"{kernel}.c", place)
    wanted, module = compiled.oracle(wasm, kernels.TIMES), decode(wasm)

    def instructions(window: int | None) -> int:
        result, executed = compiled.run(wasm, target, kernels.TIMES, window=window)
        kernels.check(f"{kernel} on {name} with the window {window}", result, wanted)
        return executed.instructions

    fixed, growing = Plan(module, target), Plan(module, target)
    size = fixed.memory.size
    growing.memory = replace(growing.memory, fixed=False, grows=True, slack=0)
    return Row(
        kernel,
        instructions(None),
        instructions(size),
        compiled.own_code_bytes(fixed),
        compiled.own_code_bytes(growing),
        compiled.own_code_bytes(Plan(module, target, wanted=size)),
        compiled.own_code_bytes(Plan(module, target, wanted=Wanted(_ELSEWHERE, size))),
    )


# --- single accesses ---

_ACCESSES = """(module (memory 4)
  (func (export "load") (param $at i32) (param $n i32) (result i32) (local $sum i32)
    (loop (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "store") (param $at i32) (param $n i32) (param $step i32)
    (loop (i32.store (local.get $at) (local.get $n))
      (local.set $at (i32.add (local.get $at) (local.get $step)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"""
_NEAR = 3  # instructions of an access in the window: compare, branch, access


def accesses(name: str) -> tuple[float, float, float]:
    """Instructions of a far access that hits, a read of what was never written, and a first write from a chunk."""
    cpu = sim.install(sim.Cpu(name))
    from insitu import port

    cpu.map_flash(FLASH, aot.compile_wasm(bytes(wasmtime.wat2wasm(_ACCESSES)), name, window=4096))
    instance = port.Runtime(bytearray(1 << 17)).load(FLASH).instantiate(stack_size=2048)
    exports, memory = instance.exports, instance.memory

    def each(call: Callable[..., Any], at: int, n: int, *more: int) -> float:
        """Of one more, so that the call itself does not count."""
        counts = []
        for count in (1, 1 + n):
            with cpu.counting() as counter:
                call(at, count, *more)
            counts.append(counter.instructions)
        return (counts[1] - counts[0]) / n

    around = each(exports.load, 0, 500) - _NEAR
    unwritten = each(exports.load, 70_000, 500) - around
    memory.write(130_000, bytes([1]) * 2100)
    hit = each(exports.load, 130_000, 500) - around
    around = each(exports.store, 0, 7, 128) - _NEAR
    memory.write(200_000, b"x")  # a chunk of 8 pages is there, the first one in use
    return hit, unwritten, each(exports.store, 210_048, 5, 128) - around


def bars(name: str, rows: list[Row]) -> list[Bar]:
    """All of a target's."""
    cortex_m, mean = TARGETS[name].code_bit == 1, kernels.geometric_mean
    hit, unwritten, first = accesses(name)
    growing, fixed = SIZES[cortex_m]
    speeds = [r.window / r.fixed for r in rows]
    found = {
        "instructions in the window against fixed, geometric mean": (mean(speeds), MEAN_SPEED),
        "instructions in the window against fixed, worst": (max(speeds), WORST_SPEED),
        "code bytes against growing, geometric mean": (mean(r.window_bytes / r.growing_bytes for r in rows), growing),
        "code bytes against fixed, geometric mean": (mean(r.window_bytes / r.fixed_bytes for r in rows), fixed),
        "a far access that hits, instructions": (hit, HIT[cortex_m]),
        "a read of what was never written, instructions": (unwritten, UNWRITTEN),
        "a first write from a chunk, instructions": (first, FIRST_WRITE),
    }
    return [Bar(what, name, measured, most) for what, (measured, most) in found.items()]


def main() -> int:
    names, console, found = sys.argv[1:] or MEASURED, Console(width=120), []
    for name in names:
        with ProcessPoolExecutor(2) as pool:
            rows = list(pool.map(_measure, kernels.names(), [name] * len(kernels.names())))
        table = Table("kernel", "fixed", "window", "/fixed", "bytes", "/fixed", "/growing", title=f"A window on {name}")
        for r in rows:
            table.add_row(
                r.kernel,
                f"{r.fixed:,}",
                f"{r.window:,}",
                f"{r.window / r.fixed:.3f}",
                f"{r.window_bytes:,}",
                f"{r.window_bytes / r.fixed_bytes:.2f}",
                f"{r.window_bytes / r.growing_bytes:.2f}",
            )
        console.print(table)
        found += bars(name, rows)
    console.print(table_of(found))
    return 0 if all(bar.met for bar in found) else 1


if __name__ == "__main__":
    sys.exit(main())
