# Where a trap came from, in offsets: Trap.frames and Trap.dump(). Imported when one of them is asked for.
#
# What compiled code had on the operand stack lies there until something else runs on it. The device does not know the
# sizes of frames: it tells all words that may be return addresses, and `insitu explain` finds out which of them are.
import struct

from ..errors import Error
from ..traps import MESSAGES
from ..xip.layout import IMAGE_CODE_OFFSET, IMAGE_CRC


# (words above the stack pointer, offset in the image) of each word that may be a return address, last call first.
def _words(trap, stack):
    _, module, total = trap.left
    if sum(stack) != total:
        raise Error("something ran on the operand stack after the trap: ask for frames and dump() before")
    start = module.word(IMAGE_CODE_OFFSET)
    end = start + module.word(IMAGE_CODE_OFFSET + 4)
    found = []
    for at in range(0, len(stack), 4):
        offset = struct.unpack_from("<I", stack, at)[0] - module.code
        if start < offset < end and not offset & 1:
            found.append((at >> 2, offset))
    return found


def dump(trap, stack):
    line = "insitu-trap %08x %d %x" % (trap.left[1].word(IMAGE_CRC), MESSAGES.index(trap.message), trap.offset)
    return " ".join([line] + ["%x:%x" % pair for pair in _words(trap, stack)])


def frames(trap, stack):
    return [trap.offset] + [offset for _, offset in _words(trap, stack)]
