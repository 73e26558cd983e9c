# The raw codes of a module that lies elsewhere than it is linked to, in RAM: 12 bytes for each function. Machine code
# and bytecode are used where they are.
from machine import mem32
from uctypes import addressof, bytearray_at

from .blob import (
    BLOB_RECORDS,
    BLOB_TABLES,
    BLOB_WORDS,
    KIND_ASM,
    RECORD_CHILDREN,
    RECORD_DATA,
    RECORD_KIND,
    RECORD_SIZE,
    RECORD_SIZE_ASM,
)


# Address of the tables of the blob, which lies by bytes behind the place that it is linked to. They live as long as
# the module's globals do.
def moved(names, blob, by):
    old = (mem32[blob + BLOB_WORDS] + by) & 0xFFFFFFFF
    tables = 4 * mem32[blob + BLOB_TABLES]
    size = tables + mem32[blob + BLOB_RECORDS]
    new = names["__raw__"] = bytearray(bytearray_at(old, size))
    start = addressof(new)
    at = 0
    while at < size:
        if at < tables:
            _move(start + at, by, old, start)
            at += 4
        else:
            _move(start + at + RECORD_DATA, by, old, start)
            _move(start + at + RECORD_CHILDREN, by, old, start)
            at += RECORD_SIZE_ASM if new[at + RECORD_KIND] == KIND_ASM else RECORD_SIZE
    return start


# The address at `at`: of code, or of words from old on, which are at start now.
def _move(at, by, old, start):
    if mem32[at]:
        new = (mem32[at] + by) & 0xFFFFFFFF
        mem32[at] = new - old + start if new >= old else new
