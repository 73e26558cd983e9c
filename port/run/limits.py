# Calls of interruptible modules that may take so much time, or so many turns of loops. Imported when the first is made.
from micropython import const

from ..errors import Error, Trap
from ..xip.layout import ENV_LEFT, ENV_SP, FLAG_INTERRUPTIBLE, INSTANCE_FUEL, TRAP_FUEL, TRAP_TIMEOUT
from ..xip.raw import peek, poke
from .enter import finish, half, refuse
from .polls import SLICE, stop

try:
    import time
except ImportError:
    time = None

_STATE_SP = const(4)
_STATE_REQUEST = const(5)
_GO_ON = const(-1)
_OFTEN = const(5)  # ms: a call that has a time limit looks at it after about so many


def check(module):
    if not module.flags() & FLAG_INTERRUPTIBLE:
        raise Error("the module was not built to be stopped: insitu build --interruptible")


def _milliseconds():
    if time is None:
        raise Error("this firmware has no clock: give fuel=, not timeout_ms=")
    return time.ticks_ms() if hasattr(time, "ticks_ms") else time.monotonic_ns() // 1000000


def _since(start):
    return time.ticks_diff(_milliseconds(), start) if hasattr(time, "ticks_diff") else _milliseconds() - start


# What ExecEnv.call does with either of them.
def call(env, function, args, timeout_ms=None, fuel=None):
    check(env.instance.module)
    return Limit(env, timeout_ms, fuel).run(function.call_on, env, args)


# What one call may still take. What its imports call takes of it, too.
class Limit:
    # fuel: turns of loops, and calls in recursions, that no instance has in its word yet; None: any number
    def __init__(self, env, timeout_ms, fuel):
        self.env = env
        self.fuel = fuel
        self.begin(timeout_ms)

    def begin(self, timeout_ms):
        self.timeout = timeout_ms
        self.start = None if timeout_ms is None else _milliseconds()
        # ms, when it last polled; turns until the next time: what one takes is found out, for it may call imports
        self.passed, self.turns = 0, 1

    # function(*args) with this limit; what is left of its fuel is in ExecEnv.fuel afterwards.
    def run(self, function, *args):
        runtime, outer = self.env.runtime, self.env.runtime.limit
        words = [(i, i.get(INSTANCE_FUEL)) for i in self._instances()]
        for i, _ in words:
            i.put(INSTANCE_FUEL, 0)
        runtime.limit = self
        try:
            return function(*args)
        finally:
            self._take_back()
            self.env.fuel = self.fuel and max(self.fuel, 0)
            runtime.limit = outer
            for i, word in words:
                if i.block:
                    i.put(INSTANCE_FUEL, word)

    def _instances(self):
        return [i for i in self.env.runtime.instances if i is not None and i.module.flags() & FLAG_INTERRUPTIBLE]

    def _take_back(self):
        if self.fuel is not None:
            for i in self._instances():
                self.fuel += i.get(INSTANCE_FUEL)
                i.put(INSTANCE_FUEL, 0)

    # Where instance polls, whose word was had: it is given more, or the result is the trap that ends the call.
    def reached(self, instance, had):
        if self.timeout is not None:
            passed = _since(self.start)
            if passed >= self.timeout:
                instance.put(INSTANCE_FUEL, had)
                return TRAP_TIMEOUT
            soon = passed - self.passed < _OFTEN
            self.passed, self.turns = passed, min(self.turns << 1, SLICE) if soon else max(self.turns >> 2, 1)
        if self.fuel is None:
            instance.put(INSTANCE_FUEL, self.turns)
            return 0
        owed = had >> 31  # a loop that is not to begin with what there is owes nothing, but needs some
        least = 0 if owed else 1
        self.fuel += had - (owed << 32)
        instance.put(INSTANCE_FUEL, 0)
        if self.fuel < least:
            self._take_back()
        if self.fuel < least:
            return TRAP_FUEL
        given = min(self.fuel, SLICE)
        self.fuel -= given
        instance.put(INSTANCE_FUEL, given)
        return 0

    # Raises OutOfFuel.
    def run_out(self, function, instance):
        try:
            stop(function.env, instance, TRAP_FUEL)
        except Trap as trap:
            error = OutOfFuel(trap.message, trap.function, trap.offset, trap.pc)
            error.left, error.tell = trap.left, trap.tell
        env = function.env
        error.called, error.limit = function, self
        error.sp, error.moves = peek(env.runtime.base, env.offset + ENV_LEFT), env.runtime.moves
        env.state[_STATE_REQUEST] = error  # where the next call on the exec env puts a request
        raise error


# The call had all its fuel, and can go on as long as nothing else ran on its exec env.
class OutOfFuel(Trap):
    # called: the Function; limit; sp: where its code left; moves: the runtime's, then
    def go_on(self, fuel, timeout_ms=None):
        limit, env = self.limit, self.limit.env.alive()
        limit.fuel += fuel
        limit.begin(timeout_ms)
        return limit.run(self._resume, env, env.runtime)

    def _resume(self, env, runtime):
        if env.state[_STATE_REQUEST] is not self or runtime.moves != self.moves:
            raise Error("the call cannot go on: another ran on its exec env, or memory or a table has moved")
        if runtime.lock[0]:
            refuse()
        runtime.lock[0] = 1
        env.state[_STATE_SP] = half(peek(runtime.base, env.offset + ENV_SP))
        env.state[_STATE_REQUEST] = _GO_ON
        poke(runtime.base, env.offset + ENV_SP, self.sp)
        return finish(self.called)
