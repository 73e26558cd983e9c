"""Device code that notes where an interruptible module is, each time that it polls."""

from __future__ import annotations

from insitu.port.xip.layout import INSTANCE_FUEL, TRAP_TERMINATED

PERIOD = 10_000  # microseconds between two samples, about
_FIRST = 64  # turns of loops until the first one
_MOST_TURNS = 1 << 20
_MOST = 200  # different stacks, which are kept in the board's RAM
# A limit of the runtime (port/run/limits.py) that never ends a call. What it says of a place is what a trap there would
# say. Its own time is not counted, nor what was before the first sample: the line's.
SAMPLER = f"""
from insitu.errors import Trap as _insitu_Trap
from time import ticks_us as _insitu_now, ticks_diff as _insitu_since
class _insitu_Sampler:
    def __init__(self):
        self.found, self.turns, self.began = {{}}, {_FIRST}, None
        inst.put({INSTANCE_FUEL}, {_FIRST})
    def reached(self, instance, had):
        took = 0 if self.began is None else _insitu_since(_insitu_now(), self.began)
        from insitu.polls import stop
        try:
            stop(inst.exec_env, instance, {TRAP_TERMINATED})
        except _insitu_Trap as trap:
            line = trap.dump()
        if line not in self.found and len(self.found) >= {_MOST}:
            line = ""
        times, whole = self.found.get(line, (0, 0))
        self.found[line] = times + 1, whole + took
        if took < {PERIOD // 2} and self.turns < {_MOST_TURNS}:
            self.turns *= 2
        elif took > {2 * PERIOD} and self.turns > 1:
            self.turns //= 2
        instance.put({INSTANCE_FUEL}, self.turns)
        self.began = _insitu_now()
        return 0
rt.limit = _insitu_sampler = _insitu_Sampler()
"""
# A line each: samples, microseconds, the line of a trap; "" for those for which there was no room.
SAMPLES = """
rt.limit = None
for _line, _row in _insitu_sampler.found.items(): print(*_row, _line)
"""
