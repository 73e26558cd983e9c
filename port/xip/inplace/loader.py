# Gives a module the raw codes that lie in flash with its machine code. Imported by the code around every module that
# the host linked to its place; it is all that stays in RAM, so its parts are imported when they are needed and
# forgotten.
import sys

from machine import mem32

from .blob import BLOB_ADDRESS, BLOB_C, BLOB_KINDS, BLOB_TAG, BLOB_WORDS, FUNCTION_CHILDREN, FUNCTION_CODE, MAKER_SIZE


def word(address):
    return mem32[address] & 0xFFFFFFFF


# A part of the loader, forgotten at once by all but the caller.
def part(name):
    name = __name__ + "_" + name
    found = __import__(name)
    del sys.modules[name]
    return found


# The function that is the module's body. names: the module's globals; make: a function that makes it once it has the
# raw code as its child; tag: of the blob; place: 0, or a quarter of the blob's address where it does not follow the
# bytecode of make.
def bind(names, make, tag, place):
    why = None
    if kinds:
        blob = place << 2 or (word(id(make) + FUNCTION_CODE) + MAKER_SIZE + 3) & ~3
        if mem32[blob + BLOB_TAG] != tag:
            why = 0
        elif mem32[blob + BLOB_KINDS] & ~kinds:
            why = 1
        else:
            words = word(blob + BLOB_WORDS)
            by = blob - word(blob + BLOB_ADDRESS)
            if mem32[blob + BLOB_C]:
                why = part("in_c").ready(word, blob, by, make, claims)
            elif by:
                words = part("moved").moved(names, blob, by)
            if why is None:
                mem32[id(make) + FUNCTION_CHILDREN] = words
                return make()
    return part("ordinary").body(names, tag, place, why)


# what of MicroPython's heap modules written in C have
claims = []
# kinds of raw codes, 1 << kind each, that this firmware keeps as they must be
kinds = part("probe").probe(word)
