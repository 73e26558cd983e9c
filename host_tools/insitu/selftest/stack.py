"""A recursion without end traps, wherever the operand stack ends, and leaves everything as it was."""

from __future__ import annotations

from insitu.selftest.bench import Bench, Facts, Failed
from insitu.selftest.traps import expect_trap

_ENDLESS = 1 << 30
_OVERFLOW = "wasm operand stack overflow"
_DEPTH = """
def _fits(n):
    try:
        return inst.exports.deep(n) == n
    except insitu.Trap:
        return False
def _depth(high):
    low = 0
    while low + 1 < high:
        middle = (low + high) // 2
        if _fits(middle):
            low = middle
        else:
            high = middle
    return low
"""


def check(bench: Bench) -> Facts:
    """The depth that fits is found, so that the trap comes at the limit and not early."""
    expect_trap(bench, "deep", (_ENDLESS,), _OVERFLOW)
    bench.session.run("rt.heap.check()\n")
    bench.session.run(_DEPTH)
    low = bench.value(f"_depth({bench.session.stack // 4})")  # a frame has a return address at least
    if low < 8:
        raise Failed(f"{bench.session.stack} bytes of operand stack hold only {low} calls")
    bench.session.run("rt.heap.check()\n")
    return {"operand_stack": bench.session.stack, "calls_deep": low}
