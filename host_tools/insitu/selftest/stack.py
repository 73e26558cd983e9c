"""A recursion without end traps, wherever the operand stack ends, and leaves everything as it was."""

from __future__ import annotations

from insitu.selftest.bench import Bench, Facts, Failed
from insitu.selftest.traps import expect_trap

_ENDLESS = 1 << 30
_OVERFLOW = "wasm operand stack overflow"


def check(bench: Bench) -> Facts:
    """The depth that fits is found, so that the trap comes at the limit and not early."""
    expect_trap(bench, "deep", (_ENDLESS,), _OVERFLOW)
    bench.session.run("rt.heap.check()\n")
    code = (
        "def _fits(n):\n"
        "    try:\n"
        "        return inst.exports.deep(n) == n\n"
        "    except insitu.Trap:\n"
        "        return False\n"
    )
    bench.session.run(code)
    low, high = 0, bench.session.stack // 4  # a frame has a return address at least
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if bench.value(f"_fits({middle})") else (low, middle)
    if low < 8:
        raise Failed(f"{bench.session.stack} bytes of operand stack hold only {low} calls")
    bench.session.run("rt.heap.check()\n")
    return {"operand_stack": bench.session.stack, "calls_deep": low}
