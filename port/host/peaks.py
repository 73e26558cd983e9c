# Peaks that begin anew. Few programs ask for it.
from .. import platform
from ..heap.control import PEAK
from ..store.far import parts
from ..store.variables import global_offset
from ..xip.layout import (
    ENV_SIZE,
    ENV_SP,
    FLAG_MEMORY_WINDOW,
    IMAGE_STACK_POINTER,
    NONE,
    PAINT,
)
from ..xip.raw import add, peek, peek_offset, poke


def reset(runtime):
    if runtime is None or runtime.heap is None:
        return
    heap = runtime.heap
    if heap.kind:
        heap._peak = heap._used
    else:
        poke(heap.base, PEAK, heap.used())
    if runtime.lock[0]:
        return  # what was interrupted has put arguments there and not gone on yet
    for instance in runtime.instances:
        if instance is not None:
            for env in instance.exec_envs:
                _paint(runtime.base, env.offset)
            _clear(runtime.base, instance)
            if instance.app_heap:
                instance.app_heap.peak = instance.app_heap.used


# Below where compiled code left, which is the stack's end where none runs.
def _paint(base, env):
    bottom = env + ENV_SIZE
    platform.fill(add(base, bottom), peek_offset(base, env + ENV_SP) - bottom, PAINT)


# The aux stack below its pointer; one that lies elsewhere is none that telemetry measures.
def _clear(base, instance):
    bottom, size = instance.aux_stack()
    index = instance.module.word(IMAGE_STACK_POINTER)
    if size and index != NONE and bottom + size <= instance.memory_size():
        depth = peek(base, global_offset(instance, index)) - bottom
        if not 0 <= depth <= size:
            return
        if instance.module.flags() & FLAG_MEMORY_WINDOW:
            _clear_parts(instance, bottom, bottom + depth)
        else:
            platform.fill(add(base, instance.memory_offset() + bottom), depth, 0)


# In a window and in those far pages that are there.
def _clear_parts(instance, start, end):
    for at, length, address in parts(instance):
        low, top = max(at, start), min(at + length, end)
        if low < top:
            platform.fill(add(address, low - at), top - low, 0)
