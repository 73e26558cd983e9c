"""Garbage collections while compiled code waits in an import."""

from __future__ import annotations

from insitu.selftest.bench import Bench, Facts, Sample

_ROUNDS = 20
_WORDS = 64


def expected(rounds: int) -> int:
    """What churn of module.c returns."""
    total = 0
    for i in range(1, rounds + 1):
        total += i + 20
        for j in range(_WORDS):
            total = total * 31 + (i * 2654435761 + j) % (1 << 32)
    return total % (1 << 32)


def check(bench: Bench) -> Facts:
    """Memory that was written before a collection is read after it."""
    bench.compare([Sample("churn", (_ROUNDS,), expected(_ROUNDS), 32)])
    bench.session.run("rt.heap.check()\n")
    return {"collections": _ROUNDS}
