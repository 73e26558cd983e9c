"""Timer interrupts while compiled code loops: its registers, floats and stack survive, and Python runs between."""

from __future__ import annotations

import struct

from insitu.selftest.bench import Bench, Facts, Failed, Skipped

_LEAST_MS = 40  # of looping
_MOST_ROUNDS = 1 << 22
_EVERY = 64  # rounds between two calls of Python, well below the timer's period on a slow chip
_TIMER = """
import machine, time
_count = bytearray(4)
def _rings(_):
    _count[0] = _count[0] + 1 & 255
    if not _count[0]:
        _count[1] = _count[1] + 1 & 255
def _spin(hard, *args):
    _count[0] = _count[1] = 0
    options = {'hard': hard} if hard is not None else {}
    timer = machine.Timer(-1)
    timer.init(mode=machine.Timer.PERIODIC, period=1, callback=_rings, **options)
    try:
        start = time.ticks_ms()
        result = inst.exports.spin(*args)
        return result, time.ticks_diff(time.ticks_ms(), start), _count[0] + 256 * _count[1]
    finally:
        timer.deinit()
"""


def expected(rounds: int, every: int) -> int:
    """What spin of module.c returns; Python's doubles are binary64, and its x and / round once, as wasm's."""
    x, total = 12345, 0.0
    for i in range(1, rounds + 1):
        x = (x * 1664525 + 1013904223) % (1 << 32)
        total = total * 0.5 + x
        if every and not i % every:
            x ^= i ^ 0x5A5A
    return int.from_bytes(struct.pack("<d", total), "little") ^ x


def _kinds(bench: Bench) -> list[bool | None]:
    """The values of Timer's `hard` to try; [None]: it has no such option. Raises Skipped without a Timer."""
    if not bench.value("hasattr(__import__('machine'), 'Timer')"):
        raise Skipped("the firmware has no machine.Timer")
    bench.session.run(_TIMER)
    code = (
        "def _takes_hard():\n"
        "    try:\n"
        "        _spin(True, 1, 0)\n"
        "    except TypeError:\n"
        "        return False\n"
        "    return True\n"
    )
    bench.session.run(code)
    return [False, True] if bench.value("_takes_hard()") else [None]


def _one(bench: Bench, hard: bool | None, every: int) -> tuple[int, int]:
    """Milliseconds and interrupts of a loop that is long enough."""
    rounds = 1 << 10
    while True:
        result, milliseconds, count = bench.value(f"_spin({hard}, {rounds}, {every})", timeout=90.0)
        wanted = expected(rounds, every)
        if result % (1 << 64) != wanted:
            raise Failed(f"spin({rounds}, {every}) gave {result % (1 << 64):#x}, not {wanted:#x}")
        if milliseconds >= _LEAST_MS:
            return milliseconds, count
        if rounds >= _MOST_ROUNDS:
            raise Failed(f"{rounds} rounds took {milliseconds} ms by the device's clock")
        rounds *= 2


def check(bench: Bench) -> Facts:
    """A timer of 1 ms: with handlers in the interrupt where the firmware has those, and with scheduled ones."""
    if bench.session.sim:
        raise Skipped("the simulated CPU has no interrupts")
    facts: Facts = {}
    for hard in _kinds(bench):
        for every in (0, _EVERY):
            milliseconds, count = _one(bench, hard, every)
            name = f"{'hard' if hard else 'soft'}, {'with' if every else 'without'} imports"
            facts[name] = {"ms": milliseconds, "interrupts": count}
            if (hard or every) and count < milliseconds // 4:
                raise Failed(f"{name}: {count} interrupts of a timer of 1 ms were served in {milliseconds} ms")
    return facts
