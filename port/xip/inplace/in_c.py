# Modules written in C: whether what their code in flash is linked to is what there is, and the RAM that it expects.
import gc
import io
from binascii import crc32

import micropython
from machine import mem32
from uctypes import bytearray_at

from .blob import (
    BLOB_C,
    C_CRC,
    C_START,
    C_TABLE,
    CONTEXT_OBJECTS,
    CONTEXT_QSTRS,
    FUN_TABLE,
    FUNCTION_CONTEXT,
    STREAM_TEXT,
    TEXT_BUFFER,
)


# Has mp_fun_table as a constant of its module, where machine code finds it; there must be no other in this file.
@micropython.viper
def native():
    pass


# None: the module can be used in place and has its RAM. Otherwise a number of _WHY in ordinary.py. word: the loader's;
# by: how far the blob lies from its place; make: a function of the module; claims: the RAM of all modules, for good,
# since the collector does not see what in flash points to it, and where each that is imported has its part.
def ready(word, blob, by, make, claims):
    record = blob + word(blob + BLOB_C)
    table = word(word(word(id(native) + FUNCTION_CONTEXT) + CONTEXT_OBJECTS))
    if by:
        return 2
    if word(record + C_TABLE) != table or crc32(bytearray_at(table, 4 * FUN_TABLE)) != word(record + C_CRC):
        return 3
    start, size, at, data, qstrs, objects = [word(record + C_START + 4 * i) for i in range(6)]
    if not claims:
        claims += _claim(word, start, size), start
    if not claims[0] or claims[1] != start:
        return 4
    if at in claims[2:]:
        return 5
    claims.append(at)
    bytearray_at(at, data)[:] = bytes(data)
    context = word(id(make) + FUNCTION_CONTEXT)
    _move(word, context + CONTEXT_QSTRS, at + data, qstrs)
    _move(word, context + CONTEXT_OBJECTS, at + data + qstrs, objects)
    return None


# The table of size bytes that the word at `pointer` points to.
def _move(word, pointer, to, size):
    if size:
        bytearray_at(to, size)[:] = bytearray_at(word(pointer), size)
        mem32[pointer] = to


# A stream whose buffer is the size bytes of MicroPython's heap at the address `at`, or None where something lies there.
# A new object gets the lowest room that is large enough, as a rule, so what is lower is filled first: by streams, which
# give their buffers back when they are closed. Other objects do so only if no word anywhere looks like their address.
def _claim(word, at, size):
    small = [io.BytesIO(1) for _ in range(20)]
    held = [(io.BytesIO(1), None)]
    for stream in small:
        stream.close()  # rooms for what looking takes
    try:
        return _found(word, at, size, held)
    finally:
        while held[0]:
            held[0][0].close()
            held[0] = held[0][1]


# See _claim; held[0]: what was filled last, and what was filled before, or None. No list, which would have to grow.
def _found(word, at, size, held):
    room = gc.mem_free()
    for _ in range(100):
        room &= ~15
        start = _before(word, at, room, held)
        if start is None or start > at:
            room >>= 1
            continue
        if start + room <= at:
            start += room
        # up to `at`, if all of that is free
        if start == at or _before(word, at, at - start, held) == start:
            while start is not None and start < at:
                start = _before(word, at, size, held)
            return _new(word, size)[0] if start == at else None
    return None


# Fill size bytes that lie lower than `at`. Where they come to lie, None: there is no room for them; if that is not
# before `at` they stay free.
def _before(word, at, size, held):
    gc.collect()
    stream, start = _new(word, size)
    if start is not None and start + size <= at:
        held[0] = stream, held[0]
    elif stream:
        stream.close()
    return start


# A stream with room for size bytes and where they are; None: there is no such room.
def _new(word, size):
    stream = start = None
    try:
        stream = io.BytesIO(size)
        text = word(id(stream) + STREAM_TEXT)
        if word(text) == size:
            start = word(text + TEXT_BUFFER)
    except MemoryError:
        pass
    return stream, start
