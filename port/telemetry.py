# Where the memory went: a snapshot of every pool, and its way out over the serial line.
import binascii
import gc
import struct
import sys

from .runtime import Runtime
from .xip.frames import (
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
from .xip.layout import ENV_SIZE, IMAGE_CODE_SIZE, IMAGE_INSTANCE_SIZE

# Bytes that must not go over the line as they are.
_ESCAPED = bytes((FRAME_START0, FRAME_START1, FRAME_END, FRAME_ESCAPE, 0x03, 0x04, 0x0A, 0x0D))


def _record(kind, *words):
    return bytes((kind,)) + struct.pack("<%dI" % len(words), *[word & 0xFFFFFFFF for word in words])


def _python_heap():
    if not hasattr(gc, "mem_alloc"):
        return _record(RECORD_PYTHON, 0, 0)
    used = gc.mem_alloc()
    return _record(RECORD_PYTHON, used + gc.mem_free(), used)


def _instance(instance):
    bottom, size = instance.aux_stack()
    return _record(
        RECORD_INSTANCE,
        instance.id,
        instance.module.base,
        instance.module.word(IMAGE_INSTANCE_SIZE),
        instance.memory_size(),
        bottom,
        size,
        instance.aux_stack_used(),
    )


# The body of a frame without its CRC: the runtime made last, unless another is given.
def snapshot(runtime=None):
    runtime = runtime or Runtime.last
    parts = [bytes((FRAME_VERSION,)), _python_heap()]
    if runtime is not None and runtime.heap is not None:
        heap = runtime.heap
        parts.append(
            _record(
                RECORD_HEAP,
                heap.size,
                heap.used(),
                heap.overhead(),
                heap.free_bytes(),
                heap.peak(),
                heap.largest_free(),
            )
        )
        for module in runtime.modules:
            parts.append(_record(RECORD_MODULE, module.base, module.size, module.word(IMAGE_CODE_SIZE)))
        for instance in runtime.instances:
            if instance is None:
                continue
            parts.append(_instance(instance))
            for env in instance.exec_envs:
                size = env.stack_size
                parts.append(_record(RECORD_EXEC_ENV, instance.id, ENV_SIZE + size, size, env.stack_used()))
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
