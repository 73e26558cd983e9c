"""The memory sums add up, what ends gives everything back, and what does not fit is refused."""

from __future__ import annotations

from insitu.selftest.bench import Bench, Facts, Failed
from insitu.telemetry import ask

_SECOND = """
def _second():
    before = rt.heap.used()
    other = mod.instantiate(stack_size=_stack, imports=bound)
    same = getattr(other.exports, 'i32.add')(20, 22)
    other.deinstantiate()
    rt.heap.check()
    return before, rt.heap.used(), same
def _too_large():
    before = rt.heap.used()
    try:
        mod.instantiate(stack_size=rt.heap.size, imports=bound)
    except insitu.OutOfHeap:
        rt.heap.check()
        return before, rt.heap.used()
"""


def check(bench: Bench) -> Facts:
    """Telemetry is checked by itself: every byte of the global heap has one owner."""
    found = ask.snapshot(bench.session.link)
    bench.session.run(f"_stack = {bench.session.stack}\n{_SECOND}")
    before, after, same = bench.value("_second()")
    if same != 42:
        raise Failed(f"a second instance adds 20 and 22 to {same}")
    if before != after:
        raise Failed(f"a second instance came and went: {before} bytes of the global heap were in use, now {after}")
    refused = bench.value("_too_large()")
    if refused is None or refused[0] != refused[1]:
        raise Failed(f"an operand stack as large as the whole heap was not refused cleanly: {refused}")
    heap, python = found["global_heap"], found["micropython_heap"]
    facts = {f"global_heap_{name}": heap[name] for name in ("size", "used", "peak", "largest_free")}
    return {**facts, **{f"micropython_heap_{name}": python[name] for name in ("size", "used")}}
