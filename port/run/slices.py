# Time slices: a call that waits lets other tasks run each time that its loops have made so many turns, too. Imported
# when the first is asked for.
from ..errors import Error
from ..xip.layout import ENV_STOP, FLAG_INTERRUPTIBLE, INSTANCE_FUEL, TRAP_TERMINATED
from .aux_parts import reached
from .polls import stop

try:
    from asyncio import sleep
except ImportError:  # whoever has an event loop of his own

    def sleep(_):
        yield


# An instance's turns; word: of the call's and what else runs the one that is not there now.
class Share:
    def __init__(self, instance, turns):
        self.instance = instance
        self.word = self.turns = turns

    def exchange(self):
        word = self.instance.get(INSTANCE_FUEL)
        self.instance.put(INSTANCE_FUEL, self.word)
        self.word = word


# Of those that are interruptible among the instances that a call comes to. turns: from 1 on.
def shares(instance, turns):
    if not instance.module.flags() & FLAG_INTERRUPTIBLE:
        raise Error("slice: the module was not built to be stopped: insitu build --interruptible")
    if turns < 1:
        raise ValueError("slice is 1 or more turns, not %d" % turns)
    return [Share(i, turns) for i in reached(instance) if i.module.flags() & FLAG_INTERRUPTIBLE]


# Where instance's code polls, which has made its turns.
def serve(env, instance):
    if env.block[ENV_STOP]:
        env.block[ENV_STOP] = 0
        stop(env, instance, TRAP_TERMINATED)
    for share in env.shares:
        if share.instance is instance:
            share.word = share.turns - (share.word >> 31)  # of which it may owe one


# What code has in registers is of where memory and tables are: they stay there until it goes on.
async def others(instance, *_):
    runtime = instance.runtime
    runtime.stopped += 1
    try:
        await sleep(0)
    finally:
        runtime.stopped -= 1


# What code is given when it goes on.
def nothing(*_):
    return b""
