"""How long calls take, beside a call of a Python function."""

from __future__ import annotations

import time

from insitu.selftest.bench import Bench, Facts, Failed, Skipped

_ENOUGH = {"device": 0.005, "host": 0.2}  # seconds that are measured: by a clock of 1 us, and across the line
_TIMES = 3  # that they are measured; the least is the one that nothing else was in
_MOST = 1 << 16  # calls
_SLOWEST = 50  # times a Python call: a call that is served in another way than it should be
_MEASURE = """
try:
    from time import ticks_us, ticks_diff
except ImportError:
    ticks_us = None
def _python(a, b):
    return a
def _repeat(n, f, *args):
    for _ in range(n):
        f(*args)
def _least(times, *args):
    found = []
    for _ in range(times):
        start = ticks_us()
        _repeat(*args)
        found.append(ticks_diff(ticks_us(), start))
    return min(found)
"""


def _seconds(bench: Bench, clock: str, count: int, call: str) -> float:
    """Of count calls, by the device's clock, or where its firmware has none by the host's."""
    if clock == "device":
        return float(bench.value(f"_least({_TIMES}, {count}, {call})")) / 1e6
    found = []
    for _ in range(_TIMES):
        start = time.monotonic()
        bench.value(f"_repeat({count}, {call})")
        found.append(time.monotonic() - start)
    return min(found)


def _microseconds(bench: Bench, clock: str, call: str) -> float:
    """Of one call; what none at all take is the line's."""
    nothing, count = _seconds(bench, clock, 0, call), 16
    while (seconds := _seconds(bench, clock, count, call) - nothing) < _ENOUGH[clock] and count < _MOST:
        count *= 4
    return max(seconds, 0.0) / count * 1e6


def check(bench: Bench) -> Facts:
    """An export, an import from inside a loop of compiled code, and a Python function, in microseconds."""
    if bench.session.sim:
        raise Skipped("the simulated CPU keeps no time")
    bench.session.run(_MEASURE)
    clock = "device" if bench.value("ticks_us is not None") else "host"
    python = _microseconds(bench, clock, "_python, 1, 2")
    export = _microseconds(bench, clock, "getattr(inst.exports, 'i32.add'), 1, 2")
    many = 64
    imports = _microseconds(bench, clock, f"getattr(inst.exports, 'call tick'), {many}") / many
    facts = {
        "clock": clock,
        "python_call_us": round(python, 2),
        "export_call_us": round(export, 2),
        "import_call_us": round(imports, 2),
    }
    for name, value in (("an export", export), ("an import", imports)):
        if value > _SLOWEST * python:
            raise Failed(f"calling {name} takes {value:.0f} us, a Python function {python:.0f}")
    return facts
