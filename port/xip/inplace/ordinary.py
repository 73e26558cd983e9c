# The body of a linked module as that of any other .mpy, its machine code copied to RAM: where the probe has found that
# this firmware is another than it must be, or where the file does not lie where its code can be used.
#
# A linked file holds the ordinary one in two spans, names and constants before the code around the module and the
# body behind it. So it is read again, from the file or from flash, by MicroPython itself, through a file system that
# has nothing but these spans. What comes of that is a module with two names: bind is the body's function, globals the
# module's own. The word of it that has these is changed to those of the module that is being imported.
import io
import sys
from struct import unpack

import vfs
from machine import mem32
from uctypes import bytearray_at

from .blob import BLOB_C, BLOB_HEADER, BLOB_SECTION, BLOB_TAG, C_CHANGED, C_FIRST, C_SIZE, MODULE_GLOBALS, TRAILER_SIZE

_WHY = (
    "it does not lie in a ROM partition, or at no multiple of four",
    "this firmware has no inline assembler",
    "it is written in C and does not lie where it is linked to",
    "it is written in C and linked to another firmware",
    "it is written in C and the RAM that it is linked to is in use",
    "it is written in C and another import of it has its RAM",
)


# Flash as a file, whose positions are addresses.
class _Flash:
    def seek(self, at):
        self.at = at

    def readinto(self, buffer):
        buffer[:] = bytearray_at(self.at, len(buffer))
        return len(buffer)


# spans: lists of a file, a position in it, and how many bytes follow.
class _Stream(io.IOBase):
    def __init__(self, spans):
        self.spans = spans

    # As many bytes as fit: to MicroPython's reader fewer are the end.
    def readinto(self, buffer):
        room = memoryview(buffer)
        while room and self.spans:
            file, at, left = span = self.spans[0]
            if left:
                file.seek(at)
                got = file.readinto(room[:left])
                span[1] += got
                span[2] -= got
                room = room[got:]
            else:
                self.spans.pop(0)
        return len(buffer) - len(room)

    def ioctl(self, request, argument):
        return 0


# A file system with one file.
class _Files:
    def __init__(self, stream):
        self.stream = stream

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        if not path.endswith(".mpy"):
            raise OSError(2)
        return (0x8000,) + (0,) * 9

    def open(self, path, mode):
        return self.stream


# See bind in loader.py; why: a number of _WHY, None where the probe has said why.
def body(names, tag, place, why):
    if why == 1:  # MicroPython itself would take it for bytecode
        raise ImportError(_WHY[1] + ": " + names["__name__"] + " needs it")
    with open(names["__file__"], "rb") as file:
        spans = _spans(file, tag, place)
        if why is not None:
            print("insitu: machine code of %s is copied to RAM: %s" % (names["__name__"], _WHY[why]))
        found = _load(_Stream(spans))
    if mem32[id(found) + MODULE_GLOBALS] & 0xFFFFFFFF != id(found.globals):
        raise ImportError("deploy the .mpy that mpy-cross makes: modules of this firmware are unknown")
    function = found.bind
    mem32[id(found) + MODULE_GLOBALS] = id(names)
    return function


def _spans(file, tag, place):
    file.seek(-TRAILER_SIZE, 2)
    before, blob = unpack("<II", file.read(TRAILER_SIZE))
    source = file
    if place:
        source, blob = _Flash(), place << 2
    source.seek(blob)
    header = bytearray(BLOB_HEADER)
    source.readinto(header)
    size = unpack("<I", header[BLOB_SECTION:])[0]
    if unpack("<I", header[BLOB_TAG:])[0] != tag:
        raise ImportError("the code in flash is of another version than the module: deploy both")
    spans = [[file, 0, before]]
    at = blob + BLOB_HEADER
    record = unpack("<I", header[BLOB_C:])[0]
    if record:
        # what linking has changed, as it was
        source.seek(blob + record)
        source.readinto(header)
        first = blob + unpack("<I", header[C_FIRST:])[0]
        changed = unpack("<I", header[C_CHANGED:])[0]
        spans += [source, at, first - at], [source, blob + record + C_SIZE, changed]
        size -= first + changed - at
        at = first + changed
    return spans + [[source, at, size]]


def _load(stream):
    vfs.mount(_Files(stream), "/insitu_mpy")
    sys.path.insert(0, "/insitu_mpy")
    try:
        found = __import__("insitu_mpy_body")
        del sys.modules["insitu_mpy_body"]
        return found
    finally:
        sys.path.pop(0)
        vfs.umount("/insitu_mpy")
