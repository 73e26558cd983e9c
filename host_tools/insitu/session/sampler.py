"""Device code that notes where an interruptible module is, each time that it polls."""

from __future__ import annotations

from insitu.port.xip.layout import INSTANCE_FUEL, TRAP_TERMINATED

MICROSECONDS, TURNS = "microseconds", "turns"  # what a sample counts; turns of loops where the firmware has no clock
_PERIOD = 10_000  # microseconds between two samples, about
_FIRST = 64  # turns until the first one
_MOST_TURNS = 1 << 20
_BLIND = 1 << 14  # turns between two where there is no clock
_MOST = 200  # different stacks, which are kept in the board's RAM
# A limit of the runtime (port/run/limits.py) that never ends a call. What it says of a place is what a trap there would
# say. Its own time is not counted, nor what was before the first sample: the line's.
SAMPLER = f"""
from insitu.errors import Trap as _insitu_Trap
try:
    from time import ticks_us as _insitu_now, ticks_diff as _insitu_since
except ImportError:
    _insitu_now = None
class _insitu_Sampler:
    def __init__(self):
        self.found, self.began, self.turns = {{}}, None, {_FIRST} if _insitu_now else {_BLIND}
        inst.put({INSTANCE_FUEL}, self.turns)
    def reached(self, instance, had):
        took = 0 if _insitu_now else self.turns
        if self.began is not None:
            took = _insitu_since(_insitu_now(), self.began)
            if took < {_PERIOD // 2} and self.turns < {_MOST_TURNS}:
                self.turns *= 2
            elif took > {2 * _PERIOD} and self.turns > 1:
                self.turns //= 2
        from insitu.polls import stop
        try:
            stop(inst.exec_env, instance, {TRAP_TERMINATED})
        except _insitu_Trap as trap:
            line = trap.dump()
        if line not in self.found and len(self.found) >= {_MOST}:
            line = ""
        self.found[line] = self.found.get(line, 0) + took
        instance.put({INSTANCE_FUEL}, self.turns)
        if _insitu_now:
            self.began = _insitu_now()
        return 0
rt.limit = _insitu_sampler = _insitu_Sampler()
print({MICROSECONDS!r} if _insitu_now else {TURNS!r})
"""
# A line each: what was counted, and the line of a trap; "" for the stacks for which there was no room.
SAMPLES = """
rt.limit = None
for _line, _count in _insitu_sampler.found.items(): print(_count, _line)
"""
