# An exec env: the operand stack that compiled code runs on, and where it was when it left.
from .. import platform
from ..alive import Mortal
from ..errors import Error
from ..xip.layout import (
    ENV_BOTTOM,
    ENV_CELL,
    ENV_LIMIT,
    ENV_SIZE,
    ENV_SP,
    ENV_START_INSTANCE,
    ENV_STOP,
    ENV_TOP,
    INSTANCE_FUEL,
    PAINT,
)
from ..xip.raw import add, poke, poke_address
from .enter import make_state


class ExecEnv(Mortal):
    LIFE = "offset"
    GONE = "the exec env was destroyed"
    fuel = None  # what the last call with fuel= left

    def __init__(self, instance, stack_size):
        runtime = instance.alive().runtime
        stack_size = (stack_size + 7) & ~7
        if stack_size < runtime.guard + 64:
            raise Error(
                "an operand stack of %d bytes is too small: this runtime's modules need at least %d"
                % (stack_size, runtime.guard + 64)
            )
        self.runtime = runtime
        self.instance = instance
        self.stack_size = stack_size
        self.busy = 0  # calls in progress
        self.offset = runtime.alloc(ENV_SIZE + stack_size, "an exec env")
        self.address = add(runtime.base, self.offset)
        bottom = self.offset + ENV_SIZE
        platform.fill(self.address, ENV_SIZE, 0)
        platform.fill(add(runtime.base, bottom), stack_size, PAINT)
        self._put(ENV_CELL, runtime.cell)
        self._put(ENV_BOTTOM, bottom)
        self._put(ENV_TOP, bottom + stack_size)
        self._put(ENV_SP, bottom + stack_size)
        self._put(ENV_START_INSTANCE, instance.pointer)
        self.set_limit()
        self.state = make_state(self, instance)
        instance.exec_envs.append(self)

    def _put(self, field, offset):
        poke_address(self.runtime.base, self.offset + field, self.runtime.base, offset)

    def set_limit(self):
        self._put(ENV_LIMIT, self.offset + ENV_SIZE + self.runtime.guard)

    # Call an export by its name, or a Function; limits: timeout_ms=, fuel= (limits.py).
    def call(self, function, *args, **limits):
        self.alive()
        if isinstance(function, str):
            name = function
            function = self.instance.lookup_function(name)
            if function is None:
                raise Error('no exported function "%s"' % name)
        if function.instance is not self.instance:
            raise Error("the function is of another instance: call it through an exec env of that")
        if limits:
            from .limits import call

            return call(self, function, args, **limits)
        return function.call_on(self, args)

    # What runs on it, or else its next call, ends where it polls; from an interrupt, too. Where an import runs, the
    # next turn polls.
    def terminate(self):
        poke(self.runtime.base, self.alive().offset + ENV_STOP, 1)
        self.instance.put(INSTANCE_FUEL, 0)

    # The operand stack's end, from the heap's base.
    def top(self):
        return self.offset + ENV_SIZE + self.stack_size

    # Peak, in bytes.
    def stack_used(self):
        at = add(self.runtime.base, self.alive().offset + ENV_SIZE)
        return self.stack_size - platform.count(at, self.stack_size, PAINT)

    def destroy(self):
        if not self.offset:
            return
        if self.busy:
            raise Error("the exec env is running")
        self.state[0] = 0  # functions that were made for it know it, too
        offset, self.offset = self.offset, 0
        self.runtime.heap.free(offset)
        self.instance.exec_envs.remove(self)
        if self.instance.exec_env is self:
            self.instance.exec_env = None
