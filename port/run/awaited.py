# Calls that may be suspended: Function.call_async. Imported when the first is made.
#
# Code that left for an import goes on when it is entered again. So an import whose result is to be awaited needs no
# more than that: what it waits for is awaited, other tasks run, and then the result goes where code takes it. Each such
# call has an exec env of its own, TaskEnv, which has what is of one call alone while others run: its operand stack,
# and in each instance that it may enter its part of the aux stack (aux_parts.py). To enter code from a task:
#   env = TaskEnv(instance, stack_size, aux_size, slice)    bytes; None: as many as others have. OutOfHeap, Error
#   try: result = await env.run(function, args)    once or again; what it raises, CancelledError too, ends the call
#   finally: env.destroy()                         and this gives all back, however the call ended
# slice: see slices.py. What code has read of memory and globals before one ends it may have in registers afterwards.
# Args area and lock are as for other calls (enter.py): from before arguments or a result are stored until what code
# left is taken out the lock is held, in step, which awaits nothing.
from micropython import const

from .. import platform
from ..errors import Trap
from ..platform.kinds import KIND_OTHER
from ..xip.layout import (
    ENV_INSTANCE,
    ENV_LEFT,
    ENV_SIZE,
    ENV_SP,
    INSTANCE_ID,
    REQUEST_ATOMIC_WAIT,
    REQUEST_BUSY,
    REQUEST_IMPORT,
    REQUEST_POLL,
)
from ..xip.raw import peek, peek_offset
from . import aux_parts, requests
from .checked import parameters
from .enter import make_plan, refuse
from .exec_env import ExecEnv
from .imports import called, is_awaitable, result_words, taken
from .lock import locked
from .values import results, store_all

_STATE_REQUEST = const(5)
_STATE_IMPORTS = const(6)
_RESULT_OTHER = const(2)
_STACK_SIZE = const(2048)
_GO_ON = const(-1)


async def call_async(function, args, stack_size=None, aux_size=None, slice=None):
    env = TaskEnv(function.instance, stack_size, aux_size, slice)
    try:
        return await env.run(function, args)
    finally:
        env.destroy()


# What start calls where code has left, instead of enter.py's finish.
def _left(entry):
    pass


# A function as start needs it, with what code leaves for left to run.
class _Entry(staticmethod):
    def __init__(self, function, env):
        plan, self.env = make_plan(function, _left, env.state), env
        self.plan = (self, _left) + plan[2:-1] + (_RESULT_OTHER,)
        super().__init__(self.plan)


class TaskEnv(ExecEnv):
    parts = shares = ()

    def __init__(self, instance, stack_size=None, aux_size=None, slice=None):
        usual, self.entry = instance.alive().exec_env, None
        if slice is not None:
            from . import slices

            self.shares = slices.shares(instance, slice)
        ExecEnv.__init__(self, instance, stack_size or (usual.stack_size if usual else _STACK_SIZE))
        self.block = platform.view(self.address, ENV_SIZE)
        # start and serve call none themselves, so that none runs while the aux stacks are this one's
        self.state[_STATE_IMPORTS] = (KIND_OTHER, None) * (len(instance.imports) >> 1)
        try:
            aux_parts.take(self, aux_size)
        except BaseException:
            self.destroy()
            raise

    async def run(self, function, args):
        given = self.runtime, parameters(function, args), args, "argument"
        return await self.enter(function, store_all, given, results, (self.runtime, function.type))

    # make(*given): the arguments' words; result(*of, words): of the results' ones.
    async def enter(self, function, make, given, result, of=()):
        instance, runtime, entry = self.alive().instance, self.runtime, _Entry(function, self)
        self.entry = entry
        self.busy += 1
        try:
            while True:
                call, make, instance, index, values = locked(runtime, self._step, instance, entry, make, given)
                if call is None:
                    return result(*of, values)
                value, entry = call(instance, index, values), None
                if is_awaitable(value):
                    value = await value
                given = instance, index, value
        except Trap as trap:
            if trap.left and trap.left[0] is self:
                _tell_now(trap)
            raise
        finally:
            self.busy -= 1
            runtime.release_references()

    # Stores what make makes of given for instance's code, enters, and serves what code leaves for until that is an
    # import, a wait or a slice's end, which call(instance, index, values) does, and make has words of what comes of it;
    # or the end: call is None, and values the results' words.
    def _step(self, instance, entry, make, given):
        words = make(*given)
        instance.slots[: len(words)] = words
        while True:
            request = self._enter(entry)
            if not request:
                return None, None, self.instance, None, bytes(self.instance.slots)
            if request == REQUEST_BUSY:
                refuse()
            entry, block = None, self.block
            block[ENV_SP : ENV_SP + 4] = block[ENV_LEFT : ENV_LEFT + 4]
            instance = self._where()
            kind, index = request & 255, request >> 8
            if kind == REQUEST_IMPORT:
                return called, result_words, instance, index, taken(instance, index)
            if kind == REQUEST_ATOMIC_WAIT:
                from . import waiting

                return waiting.wait_in_task, waiting.words, instance, index, waiting.arguments(instance, index)
            if kind != REQUEST_POLL:
                requests.serve(self, instance, kind, index)
            elif self.shares:
                from . import slices

                slices.serve(self, instance)
                return slices.others, slices.nothing, instance, index, None
            else:
                from . import polls

                polls.serve(self.entry, instance)
                self.runtime.lock[0] = 1

    # entry: None where it goes on. The request that code left with.
    def _enter(self, entry):
        self._exchange()
        try:
            if entry is None:
                return platform.serve(self.state, _GO_ON)
            platform.start(entry, entry.plan)
            return self.state[_STATE_REQUEST]
        finally:
            self._exchange()

    # What there is one of in an instance, and each call has its own.
    def _exchange(self):
        for own in self.parts:
            own.exchange()
        for own in self.shares:
            own.exchange()

    # The instance whose code left.
    def _where(self):
        base = self.runtime.base
        return self.runtime.instances[peek(base, peek_offset(base, self.offset + ENV_INSTANCE) - INSTANCE_ID)]

    def destroy(self):
        ExecEnv.destroy(self)
        aux_parts.give_back(self)


# The operand stack is given back before anybody asks for frames.
def _tell_now(trap):
    told = {what: trap.tell(trap, what) for what in ("frames", "dump")}
    trap.tell = lambda _, what: told[what]
