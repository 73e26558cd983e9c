# Where the memory went: a frame of every pool, word by word over the serial line, so that it takes next to no memory
# itself.
import gc
import sys

from ..alive import latest
from ..errors import Error, Trap
from ..heap import fit, survey
from ..store import table
from ..xip.frames import (
    FRAME_END,
    FRAME_START0,
    FRAME_START1,
    FRAME_VERSION,
    RECORD_EXEC_ENV,
    RECORD_FAR,
    RECORD_HEAP,
    RECORD_INSTANCE,
    RECORD_MARK,
    RECORD_MODULE,
    RECORD_PYTHON,
    RECORD_TRAPS,
)
from ..xip.layout import (
    FAR_COUNT,
    FAR_HIGH,
    FAR_LEFT,
    FAR_LOW,
    FAR_PAGES,
    FLAG_MEMORY,
    FLAG_MEMORY_WINDOW,
    IMAGE_AUX_STACK_BOTTOM,
    IMAGE_AUX_STACK_SIZE,
    IMAGE_CODE_SIZE,
    TABLE_ENTRIES,
)
from .stuffing import ROOM, put, start, unstuffed

_out = bytearray(72)  # what waits to be written
_view = memoryview(_out)
_state = bytearray(8)  # how much; the CRC so far
_write = None  # while a frame is on its way: what takes it
_traps = 0  # since this was imported
_init = Trap.__init__


def _trapped(self, *args):
    global _traps
    _traps += 1
    _init(self, *args)


Trap.__init__ = _trapped


def _flush():
    waiting = _state[0]
    _state[0] = 0
    _write(_view[:waiting])


def _put(value, count=4, more=0):
    if _state[0] > len(_out) - ROOM:
        _flush()
    put(_out, _state, value, more, count)


def _end():
    _put(0, -4)
    _flush()
    _out[0] = FRAME_END
    _state[0] = 1
    _flush()


def _python_heap(collect):
    used = free = 0
    if hasattr(gc, "mem_alloc"):
        if collect:
            gc.collect()
        used = gc.mem_alloc()
        free = gc.mem_free()
    _put(RECORD_PYTHON, 1)
    _put(used + free)
    _put(used)


# What an instance has beside its own block and its linear memory's: tables that grew, constants as imports, far pages.
def _apart(heap, instance):
    size = 0
    for offset in instance.owned:
        size += heap.size_of(offset)
    for i in range(len(instance.tables), table.module_tables(instance)):
        offset = _table(instance, i)
        if offset:
            size += heap.size_of(offset)
    return size


# The block of a table's entries, 0: they are in the instance's.
def _table(instance, i):
    return 0 if table.table_word(instance.module, i, TABLE_ENTRIES) else table.apart(instance, i)


def _instance(heap, instance):
    plan = instance.plan
    size = instance.memory_size() if instance.module.flags() & FLAG_MEMORY else 0
    memory = block = 0
    if not plan.fixed:
        block = heap.size_of(instance.block)
        if instance.memory_block and plan.region is None:
            memory = heap.size_of(instance.memory_block)
    elif plan.region is None:
        memory = size
        block = heap.size_of(instance.block) - memory
    _put(RECORD_INSTANCE, 1)
    _put(instance.id)
    _put(instance.module.base)
    _put(block)
    _put(memory)
    _put(_apart(heap, instance))
    if size:
        _put(instance.runtime.base, 4, instance.memory_offset())
    else:
        _put(0)
    _put(size)
    _put(instance.module.word(IMAGE_AUX_STACK_BOTTOM))
    _put(instance.module.word(IMAGE_AUX_STACK_SIZE))
    _put(instance.aux_stack_used())
    app = instance.app_heap
    _put(app.start if app else 0)
    _put(app.size if app else 0)
    _put(app.used if app else 0)
    _put(app.peak if app else 0)
    if instance.module.flags() & FLAG_MEMORY_WINDOW:
        _far(instance)
    for env in instance.exec_envs:
        _exec_env(heap, env)


def _far(instance):
    ready = instance.get(FAR_LEFT)
    _put(RECORD_FAR, 1)
    _put(instance.id)
    low = instance.get(FAR_LOW)
    _put(low)
    _put(instance.get(FAR_HIGH) - low)
    _put(1 << instance.far_shift)
    _put(instance.get(FAR_PAGES) - ready)
    _put(ready)
    _put(instance.get(FAR_COUNT))


def _exec_env(heap, env):
    _put(RECORD_EXEC_ENV, 1)
    _put(env.instance.id)
    _put(env.address)
    _put(heap.size_of(env.offset))
    _put(env.stack_size)
    _put(env.stack_used())


# Whether the runtime, or an instance, has the block at offset.
def _is_known(runtime, offset):
    if offset == runtime.cell:
        return True
    for instance in runtime.instances:
        if instance is not None:
            if offset == instance.block or offset == instance.memory_block or offset in instance.owned:
                return True
            for i in range(len(instance.tables), table.module_tables(instance)):
                if offset == _table(instance, i):
                    return True
            for env in instance.exec_envs:
                if offset == env.offset:
                    return True
    return False


# Bytes that the host allocated: of blocks that nobody else has.
def _host(runtime, heap):
    size = 0
    if heap.kind:
        for offset, payload, _ in heap.walk():
            if not _is_known(runtime, offset):
                size += payload
        return size
    offset = heap.first
    stop = survey.end(heap) << (heap.shift + 2)
    while offset < stop:
        payload = survey.payload(heap, offset)
        if not fit.block(heap.base, offset) & 1 and not _is_known(runtime, offset):
            size += payload
        offset += payload + 4
    return size


def _heap(runtime, heap):
    used = heap.used()
    overhead = heap.overhead() if heap.kind else survey.overhead(heap)
    _put(RECORD_HEAP, 1)
    _put(heap.kind)
    _put(heap.size)
    _put(used)
    _put(overhead)
    _put(0 if heap.kind else heap.size - used - overhead)
    _put(heap.peak())
    _put(0 if heap.kind else survey.largest_free(heap))
    _put(heap.size_of(runtime.cell))
    _put(_host(runtime, heap))


def _mark(name):
    data = name.encode()[:255]
    _put(RECORD_MARK, 1)
    _put(len(data), 1)
    for byte in data:
        _put(byte, 1)


def _records(runtime, name, collect):
    _put(FRAME_VERSION, 1)
    _python_heap(collect)
    _put(RECORD_TRAPS, 1)
    _put(_traps)
    if name:
        _mark(name)
    if runtime is not None and runtime.heap is not None:
        for module in runtime.modules:
            _put(RECORD_MODULE, 1)
            _put(module.base)
            _put(module.size)
            _put(module.word(IMAGE_CODE_SIZE))
        for instance in runtime.instances:
            if instance is not None:
                _instance(runtime.heap, instance)
        _heap(runtime, runtime.heap)


# Sends a snapshot: of the runtime made last, unless another is given. write: takes bytes, which are other ones when it
# has returned; the console unless given. collect: whether garbage does not count as MicroPython's. Nothing where one is
# on its way, which this interrupts.
def send(runtime=None, write=None, name="", collect=True):
    global _write
    if _write is not None:
        return
    _write = write or sys.stdout.write
    try:
        start(_out, _state, FRAME_START0, FRAME_START1)
        _records(runtime or latest[0], name, collect)
        _end()
    finally:
        _write = None


# The body of a frame without its CRC.
def snapshot(runtime=None):
    sent = bytearray()
    send(runtime, sent.extend)
    return unstuffed(sent)


# A body as it goes over the line.
def frame(body):
    global _write
    sent = bytearray()
    _write = sent.extend
    try:
        start(_out, _state, FRAME_START0, FRAME_START1)
        for byte in body:
            _put(byte, 1)
        _end()
    finally:
        _write = None
    return bytes(sent)


# Sends a snapshot that has a name.
def mark(name, runtime=None, write=None):
    send(runtime, write, name)


# Peaks begin anew: they are of what comes.
def reset_peaks(runtime=None):
    from .peaks import reset

    reset(runtime or latest[0])


# function(*args), and a snapshot whose peaks are this call's, by the function's name.
def call(function, *args):
    reset_peaks(function.instance.runtime)
    try:
        return function(*args)
    finally:
        mark(function.name or "call", function.instance.runtime)


# As a timer's callback may: it interrupts anything, and what it finds half done is told at the next time.
def _tick(_):
    try:
        send(collect=False)
    except Error:
        pass


# Sends a snapshot every so many milliseconds, from a timer, which is returned: its deinit() ends that. timer: one of
# machine.Timer where the port has no Timer(-1).
def every(ms, timer=None):
    from machine import Timer

    if timer is None:
        timer = Timer(-1)
    timer.init(period=ms, mode=Timer.PERIODIC, callback=_tick)
    return timer


# The same in a task: asyncio.create_task(telemetry.sending(1000)).
async def sending(ms):
    from asyncio import sleep_ms

    while True:
        _tick(None)
        await sleep_ms(ms)
