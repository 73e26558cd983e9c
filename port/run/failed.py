# After a call that trapped, or was given up by an exception: its functions have not given back what they had of the aux
# stack. Imported when the first fails.
from micropython import const

from ..store.variables import global_offset
from ..xip.layout import IMAGE_STACK_POINTER, NONE
from ..xip.raw import poke

_STATE_REQUEST = const(5)


# The pointers are where they began, unless another call goes on later: one that is in progress, or that is out of fuel
# (limits.py). Calls that wait have pointers of their own (aux_parts.py).
def reset(runtime):
    present = runtime.present()
    for instance in present:
        for env in instance.exec_envs:
            if not hasattr(env, "parts") and (env.busy or not isinstance(env.state[_STATE_REQUEST], int)):
                return
    for instance in present:
        index, (bottom, size) = instance.module.word(IMAGE_STACK_POINTER), instance.aux_stack()
        if size and index != NONE:
            poke(runtime.base, global_offset(instance, index), bottom + size)
