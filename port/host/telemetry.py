# Where the memory went: a snapshot of every pool, and its way out over the serial line.
import binascii
import gc
import struct
import sys

from ..runtime import Runtime
from ..store import table
from ..xip.frames import (
    FRAME_END,
    FRAME_ESCAPE,
    FRAME_FLIP,
    FRAME_START0,
    FRAME_START1,
    FRAME_VERSION,
    RECORD_EXEC_ENV,
    RECORD_HEAP,
    RECORD_INSTANCE,
    RECORD_MODULE,
    RECORD_PYTHON,
)
from ..xip.layout import IMAGE_CODE_SIZE
from .addresses import place

# Bytes that must not go over the line as they are.
_ESCAPED = bytes((FRAME_START0, FRAME_START1, FRAME_END, FRAME_ESCAPE, 0x03, 0x04, 0x0A, 0x0D))


def _record(kind, *words):
    return bytes((kind,)) + struct.pack("<%dI" % len(words), *[word & 0xFFFFFFFF for word in words])


def _python_heap():
    if not hasattr(gc, "mem_alloc"):
        return _record(RECORD_PYTHON, 0, 0)
    gc.collect()
    used = gc.mem_alloc()
    return _record(RECORD_PYTHON, used + gc.mem_free(), used)


# Blocks that an instance has beside its own and its linear memory's: tables that grew, constants as imports.
def _apart(instance):
    return table.tables_apart(instance) + list(instance.owned)


class _Snapshot:
    def __init__(self, runtime):
        self.runtime = runtime
        self.heap = runtime.heap
        self.known = [runtime.cell]

    # What the heap's blocks at offsets take.
    def _bytes(self, offsets):
        self.known += offsets
        return sum([self.heap.size_of(offset) for offset in offsets])

    def instance(self, instance):
        plan = instance.plan
        size = instance.memory_size() if instance.memory else 0
        block = memory = 0
        if not plan.fixed:
            block = self._bytes([instance.block])
            if instance.memory_block and plan.region is None:
                memory = self._bytes([instance.memory_block])
        elif plan.region is None:
            memory = size
            block = self._bytes([instance.block]) - memory
        bottom, aux = instance.aux_stack()
        app = instance.app_heap
        return _record(
            RECORD_INSTANCE,
            instance.id,
            instance.module.base,
            block,
            memory,
            self._bytes(_apart(instance)),
            place(instance) if size else 0,
            size,
            bottom,
            aux,
            instance.aux_stack_used(),
            *((app.start, app.size, app.used, app.peak) if app else (0, 0, 0, 0)),
        )

    def exec_env(self, env):
        block = self._bytes([env.offset])
        return _record(RECORD_EXEC_ENV, env.instance.id, env.address, block, env.stack_size, env.stack_used())

    # After all others: what is in no block that they named was allocated by the host.
    def global_heap(self):
        heap = self.heap
        host = sum([size for offset, size, free in heap.walk() if not free and offset not in self.known])
        sizes = (heap.size, heap.used(), heap.overhead(), heap.free_bytes(), heap.peak(), heap.largest_free())
        return _record(RECORD_HEAP, heap.kind, *sizes, heap.size_of(self.runtime.cell), host)


# The body of a frame without its CRC: the runtime made last, unless another is given.
def snapshot(runtime=None):
    runtime = runtime or Runtime.last
    parts = [bytes((FRAME_VERSION,)), _python_heap()]
    if runtime is not None and runtime.heap is not None:
        found = _Snapshot(runtime)
        for module in runtime.modules:
            parts.append(_record(RECORD_MODULE, module.base, module.size, module.word(IMAGE_CODE_SIZE)))
        for instance in runtime.instances:
            if instance is not None:
                parts.append(found.instance(instance))
                parts += [found.exec_env(env) for env in instance.exec_envs]
        parts.append(found.global_heap())
    return b"".join(parts)


# A body as it goes over the line.
def frame(body):
    body += struct.pack("<I", binascii.crc32(body) & 0xFFFFFFFF)
    out = bytearray((FRAME_START0, FRAME_START1))
    for byte in body:
        if byte in _ESCAPED:
            out.append(FRAME_ESCAPE)
            byte ^= FRAME_FLIP
        out.append(byte)
    out.append(FRAME_END)
    return bytes(out)


# write: takes bytes; the console unless given.
def send(runtime=None, write=None):
    (write or sys.stdout.write)(frame(snapshot(runtime)))


# Peaks begin anew: they are of what comes.
def reset_peaks(runtime=None):
    from .peaks import reset

    reset(runtime or Runtime.last)
