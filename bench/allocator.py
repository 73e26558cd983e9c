"""What an allocation and a free cost at most on the firmware, whatever the state of the heap."""

from __future__ import annotations

import wasmtime
from insitu.aot import compile_wasm
from insitu.board import boards
from insitu.session.session import Session

from bench.clocks import CLOCKS

BOARD = "qemu_stm32f405"
OPERATIONS = 1500
_BUFFER = "buffer = bytearray(24000)"  # before anything else lies in the middle of MicroPython's heap
_MODULE = "(module (memory 0))"
# A heap in all states: random sizes of all classes, kept until it is full, freed in random order, neighbours of
# free blocks and not.
_MEASURE = """
import gc
from insitu import fit as module
from insitu.heap import Heap
heap, blocks, seed = Heap(buffer), [], 1
gc.collect()
gc.disable()
def nothing(a, b, c): return 0
def cost(f, value):
    # no * in the call: it would allocate between the two readings
    base = heap.base
    if direct:
        first = ticks()
        r = f(base, value, 0)
    else:
        first = ticks()
        r = f(value)
    return (ticks() - first) & MASK, r
direct = True
empty = min(cost(nothing, 1)[0] for _ in range(20))
direct = {direct}
worst_alloc = worst_free = 0
for i in range({operations}):
    if i % 50 == 0: gc.collect()
    seed = (seed * 75 + 74) % 65537
    if blocks and (seed & 15 < 7 or heap.largest_free() < 16):
        t, _ = cost({free}, blocks.pop(seed % len(blocks)))
        worst_free = max(worst_free, t)
    else:
        t, r = cost({alloc}, seed % (24, 200, 1500, 5000)[i & 3])
        worst_alloc = max(worst_alloc, t)
        if r: blocks.append(r)
heap.check()
gc.enable()
print(worst_alloc - empty, worst_free - empty)
"""


_ALLOCATOR = {"alloc": "module.alloc", "free": "module.free", "direct": True}
_METHODS = {"alloc": "heap.alloc", "free": "heap.free", "direct": False}


def measure(*, methods: bool = False) -> tuple[float, float]:
    """Executed instructions of the worst alloc and the worst free, from call to return: of the allocator's own
    functions, or of the methods of Heap around them, which are bytecode."""
    board = boards.load_board(BOARD)
    image = compile_wasm(bytes(wasmtime.wat2wasm(_MODULE)), board.target)
    clock, nanoseconds = CLOCKS[BOARD]
    with Session(
        board, image, imports={}, prelude=f"{clock}\n{_BUFFER}", heap=2048, stack=1024, counted=True
    ) as session:
        alloc, free = map(
            int,
            session.run(
                _MEASURE.format(operations=OPERATIONS, **(_METHODS if methods else _ALLOCATOR)), timeout=120.0
            ).split(),
        )
    return alloc * nanoseconds, free * nanoseconds
