# What is done where compiled code of an interruptible module polls (host_tools/insitu/aot/polls.py): each time that its
# loops have made some thousand turns. It has left as it does for an import, and goes on when serve returns; what serve
# raises abandons it. Python's own code runs meanwhile, bytecode that jumps: there MicroPython raises KeyboardInterrupt
# and runs what is scheduled, which may call.
#
# The code that was stopped goes on with what it had in registers, also of where linear memory and tables lie: these do
# not move while a call is stopped here (Runtime.stopped, store/growth.py), and one that was abandoned, and goes on
# after all, does so only where nothing has moved since (Runtime.moves, limits.py).
from micropython import const

from ..errors import Trap
from ..xip.layout import ENV_LEFT, ENV_PC, ENV_STOP, INSTANCE_FUEL, REQUEST_TRAP, TRAP_FUEL, TRAP_TERMINATED
from ..xip.raw import peek, poke

# Turns until the next one: some milliseconds, of which what Python does here is a hundredth.
SLICE = const(65536)


# Called with the lock (enter.py), which is free afterwards.
def serve(function, instance):
    runtime, env = instance.runtime, function.env
    base, at = runtime.base, env.offset
    left, pc = peek(base, at + ENV_LEFT), peek(base, at + ENV_PC)  # as they are until something else runs on it
    had = instance.get(INSTANCE_FUEL)
    instance.put(INSTANCE_FUEL, SLICE)
    runtime.lock[0] = 0
    runtime.stopped += 1
    try:
        trap = TRAP_TERMINATED if peek(base, at + ENV_STOP) else 0
        if runtime.limit is not None and not trap:
            trap = runtime.limit.reached(instance, had)
        if not trap:
            return  # not by the try's end, a jump, at which MicroPython would raise outside of it
    except KeyboardInterrupt:
        poke(base, at + ENV_PC, pc)
        raise KeyboardInterrupt(_where(env, instance))
    finally:
        runtime.stopped -= 1
    poke(base, at + ENV_STOP, 0)
    poke(base, at + ENV_LEFT, left)
    poke(base, at + ENV_PC, pc)
    if trap == TRAP_FUEL:
        runtime.limit.run_out(function, instance)
    stop(env, instance, trap)


# Raises what says where the code was.
def stop(env, instance, trap):
    from . import requests

    requests.serve(env, instance, REQUEST_TRAP, trap)


def _where(env, instance):
    try:
        stop(env, instance, TRAP_TERMINATED)
    except Trap as trap:
        return "stopped" + str(trap)[len(trap.message) + 2 :]
