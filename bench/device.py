"""What only the real firmware shows: what a call costs beside a call of Python, and MicroPython's heap.

QEMU's -icount makes an instruction last one nanosecond of virtual time, which a timer of the machine counts. No QEMU
board has an ordinary file system: the package on one is measured on the emulated Pico.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import wasmtime
from insitu.aot import compile_wasm
from insitu.board import boards
from insitu.board.record import Board
from insitu.machine import emulated
from insitu.package.deploy import METHODS
from insitu.session.session import Session
from insitu.toolchain import compile_c

from bench.clocks import CLOCKS
from examples.demo import DEVICE_IMPORTS, SOURCE

CALLS = 500
# Boards by the ways of insitu.package.deploy.
WAYS: Mapping[str, tuple[str, ...]] = {
    "romfs": tuple(CLOCKS),
    "frozen": tuple(CLOCKS),
    "files": ("rpi_pico",),
    "serial": tuple(CLOCKS),
}
_STACK = 2048
_ADD = """(module
  (import "env" "add" (func $add (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global (export "__data_end") i32 (i32.const 8)) (global (export "__heap_base") i32 (i32.const 8))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "call") (param $times i32) (result i32) (local $sum i32)
    (block (loop
      (br_if 1 (i32.eqz (local.get $times)))
      (local.set $sum (call $add (local.get $sum) (i32.const 3)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br 0)))
    (local.get $sum)))"""
_MEASURE = """
import gc
def python_add(a, b): return a + b
def nothing(n, f):
    for _ in range(n): pass
def from_python(n, f):
    for _ in range(n): f(3, 4)
def from_wasm(n, f):
    inst.exports.call(n)
def cost(run, f=None):
    run(10, f)
    gc.collect()
    first = ticks()
    run({calls}, f)
    return (ticks() - first) & MASK
print(cost(nothing), cost(from_python, python_add), cost(from_python, inst.exports.add), cost(from_wasm))
"""
_BEFORE = """
import gc
gc.collect()
before = gc.mem_alloc()
"""
_PACKAGE = """
import insitu
heap = bytearray(16384)
{prelude}
rt = insitu.Runtime(heap=heap)
rt.load({address}).instantiate(imports={{"adc": {{"read": adc_read}}, "uart": {{"write": uart_write}}}})
rt.destroy()
"""
# By itself: what the calls before have left on Python's stack keeps garbage alive, now this and now that.
_AFTER = """
gc.collect()
print(gc.mem_alloc() - before - len(heap))
"""
_CALL_MEMORY = """
import gc
add, memory = inst.exports.add, inst.exports.memory
def cached(n):
    for _ in range(n): add(3, 4)
def attribute(n):
    for _ in range(n): inst.exports.add(3, 4)
def read(n):
    for _ in range(n): memory[0:4]
def cost(run):
    run(10)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    run({calls})
    after = gc.mem_alloc()
    gc.enable()
    return (after - before) / {calls}
print(cost(cached), cost(attribute), cost(read))
"""
_MEMORY = """
import gc
gc.collect()
python, pool = gc.mem_alloc(), rt.heap.used()
mod2 = rt.load({address})
inst2 = mod2.instantiate(stack_size={stack}, imports={{"adc": {{"read": adc_read}}, "uart": {{"write": uart_write}}}})
gc.collect()
print(gc.mem_alloc() - python, rt.heap.used() - pool)
"""


@dataclass(frozen=True, slots=True)
class Calls:
    """Executed instructions of one call: of a Python function, of an export, of an import out of compiled code."""

    board: str
    python: float
    export: float
    import_: float


@dataclass(frozen=True, slots=True)
class CallMemory:
    """Bytes of MicroPython's heap that is used by one call of an export that a program keeps, by one that it looks up
    by name each time, and by reading four bytes of linear memory."""

    board: str
    kept: float
    by_name: float
    memory_read: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that one more loaded and instantiated demo takes beside linear memory and operand stack."""

    board: str
    global_heap: int
    micropython_heap: int


@dataclass(frozen=True, slots=True)
class Package:
    """Bytes of MicroPython's heap that the device package takes once the demo was loaded, instantiated and ended, by
    the way in which it was deployed."""

    board: str
    way: str
    bytes: int


def _calls(board: Board) -> tuple[Calls, CallMemory]:
    image = compile_wasm(bytes(wasmtime.wat2wasm(_ADD)), board.target)
    clock, nanoseconds = CLOCKS[board.name]
    prelude = f"{clock}\ndef add(a, b): return a + b\n"
    with Session(board, image, imports={"env.add": "add"}, prelude=prelude, counted=True) as session:
        empty, python, export, imported = map(int, session.run(_MEASURE.format(calls=CALLS)).split())
        allocated = map(float, session.run(_CALL_MEMORY.format(calls=CALLS)).split())
    calls = Calls(board.name, *(n * nanoseconds / CALLS for n in (python - empty, export - empty, imported)))
    return calls, CallMemory(board.name, *allocated)


def _package(board: Board, wasm: bytes, way: str) -> Package:
    image, method = compile_wasm(wasm, board.target), METHODS[way]
    contents = [(board.image.address, image), *method.contents(board)]
    machine = emulated(board, contents, firmware=method.firmware(board))
    with machine, machine.link() as link:
        link.run(_BEFORE)
        method.install(link, board)
        link.run(_PACKAGE.format(prelude=DEVICE_IMPORTS, address=board.image.address))
        return Package(board.name, way, int(link.run(_AFTER)))


def _memory(board: Board, wasm: bytes) -> Memory:
    image = compile_wasm(wasm, board.target)
    imports = {"adc.read": "adc_read", "uart.write": "uart_write"}
    with Session(board, image, imports=imports, prelude=DEVICE_IMPORTS, stack=_STACK) as session:
        output = session.run(_MEMORY.format(address=board.image.address, stack=_STACK))
        linear_memory = session.image.memory_size
    python, pool = map(int, output.split())
    return Memory(board.name, pool - linear_memory - _STACK, python)


def measure(folder: Path) -> tuple[list[Calls], list[CallMemory], list[Memory], list[Package]]:
    """The first three on every QEMU board, the last by board."""
    wasm = compile_c(SOURCE, folder / "fir.wasm").read_bytes()
    found = [boards.load_board(name) for name in CLOCKS]
    ways = sorted((name, way) for way, names in WAYS.items() for name in names)
    # processes: threads that parse Python at the same time make CPython 3.11 raise SystemError now and then
    with ProcessPoolExecutor(2) as pool:
        calls, memory = list(pool.map(_calls, found)), list(pool.map(_memory, found, repeat(wasm)))
        packages = list(
            pool.map(_package, (boards.load_board(name) for name, _ in ways), repeat(wasm), (way for _, way in ways))
        )
    return [cost for cost, _ in calls], [used for _, used in calls], memory, packages
