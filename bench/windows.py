"""python -m bench.windows [TARGET ...]: what a window on linear memory costs; exit status 1 where a bar is missed.

Each kernel with all of its memory in the window, against the same with a fixed memory and with a growing one; what
single accesses outside of a window take; and on the firmware first writes, for which Python takes pages from the heap.
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
from insitu.board.boards import load_board
from insitu.board.record import Board
from insitu.session.session import Session
from insitu.wasm.decode import decode
from rich.console import Console
from rich.table import Table

from bench import compiled, kernels
from bench.clocks import CLOCKS
from bench.native import FLASH

FOLDER = Path(__file__).parents[1] / "build" / "bench" / "windows"
MEASURED = ("cortex-m0plus", "cortex-m4f", "rv32imc")
_ELSEWHERE = 256  # inside of every kernel's memory


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
    wasm = compiled.compile_kernel(kernels.SOURCES / f"{kernel}.c", place, target)
    wanted, module = compiled.oracle(wasm, kernels.TIMES), decode(wasm)

    def costs(window: int | None) -> tuple[int, int]:
        """Instructions and code bytes."""
        built = aot.compile_module(wasm, name, aot.Options(window=window))
        result, executed = compiled.run(built.image, target, kernels.TIMES)
        kernels.check(f"{kernel} on {name} with the window {window}", result, wanted)
        return executed.instructions, compiled.bytes_of(built.objects, built.code)

    growing = Plan(module, target)
    size = growing.memory.size
    growing.memory = replace(growing.memory, fixed=False, grows=True, slack=0)
    (fixed, fixed_bytes), (window, window_bytes) = costs(None), costs(size)
    return Row(
        kernel,
        fixed,
        window,
        fixed_bytes,
        compiled.own_code_bytes(growing),
        window_bytes,
        compiled.own_code_bytes(Plan(module, target, aot.Options(window=Wanted(_ELSEWHERE, size)))),
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

    cpu.map_flash(FLASH, aot.compile_wasm(bytes(wasmtime.wat2wasm(_ACCESSES)), name, aot.Options(window=4096)))
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


# --- first writes, on the firmware ---

_PAGES, _PAGE = 64, 128
_FIRST_WRITES = f"""
def cost():
    first = ticks()
    inst.exports.store(4096, {_PAGES}, {_PAGE})
    return (ticks() - first) & MASK
inst.exports.store(0, 1, {_PAGE})
print(cost(), cost())
"""


@dataclass(frozen=True, slots=True)
class FirstWrites:
    """Instructions of a first write on a board, on average: some of them ask Python for more pages."""

    board: str
    instructions: float


def _first_writes(board: Board) -> FirstWrites:
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(_ACCESSES)), board.target, aot.Options(window=0))
    clock, nanoseconds = CLOCKS[board.name]
    with Session(board, image, imports={}, prelude=clock, counted=True, heap=1 << 15) as session:
        first, again = map(int, session.run(_FIRST_WRITES).split())
    return FirstWrites(board.name, (first - again) * nanoseconds / _PAGES)


def first_writes() -> list[FirstWrites]:
    """On every QEMU board that counts instructions, all writes to pages of one loop."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_first_writes, map(load_board, CLOCKS)))


# --- all of it ---


@dataclass(frozen=True, slots=True)
class Windowed:
    """What windows cost on a target.

    Attributes:
        speed, worst: instructions in the window against a fixed memory, geometric mean and the worst kernel.
        against_growing, against_fixed: code bytes, geometric means.
        elsewhere: code bytes of a window that begins behind 0 against one from 0 on, geometric mean.
        hit, unwritten, first_write: instructions of a far access.
    """

    target: str
    speed: float
    worst: float
    against_growing: float
    against_fixed: float
    elsewhere: float
    hit: float
    unwritten: float
    first_write: float


def rows_of(name: str) -> list[Row]:
    """Every kernel on a target."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_measure, kernels.names(), [name] * len(kernels.names())))


def windowed(name: str, rows: list[Row]) -> Windowed:
    """A target's kernels and its single accesses."""
    mean, speeds = kernels.geometric_mean, [r.window / r.fixed for r in rows]
    return Windowed(
        name,
        mean(speeds),
        max(speeds),
        mean(r.window_bytes / r.growing_bytes for r in rows),
        mean(r.window_bytes / r.fixed_bytes for r in rows),
        mean(r.elsewhere_bytes / r.window_bytes for r in rows),
        *accesses(name),
    )


def measure() -> list[Windowed]:
    """Every target of MEASURED."""
    return [windowed(name, rows_of(name)) for name in MEASURED]


def main() -> int:
    from bench.bars import of_windows, table_of

    console, found = Console(width=120), []
    for name in sys.argv[1:] or MEASURED:
        rows = rows_of(name)
        names = ("kernel", "fixed", "window", "/fixed", "bytes", "/fixed", "/growing", "elsewhere/window")
        table = Table(*names, title=f"A window on {name}")
        for r in rows:
            table.add_row(
                r.kernel,
                f"{r.fixed:,}",
                f"{r.window:,}",
                f"{r.window / r.fixed:.3f}",
                f"{r.window_bytes:,}",
                f"{r.window_bytes / r.fixed_bytes:.2f}",
                f"{r.window_bytes / r.growing_bytes:.2f}",
                f"{r.elsewhere_bytes / r.window_bytes:.2f}",
            )
        console.print(table)
        found.append(windowed(name, rows))
    bars = list(of_windows(found, first_writes()))
    console.print(table_of(bars))
    return 0 if all(bar.met for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
