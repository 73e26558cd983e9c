# What the runtime raises. Each text says what is wrong and what would be right.


class Error(Exception):
    pass


# The image cannot be used here.
class LoadError(Error):
    pass


# An import is missing or is not what the module asks for.
class LinkError(Error):
    pass


# The global heap has no room.
class OutOfHeap(Error):
    pass


# The global heap was damaged, or cannot be what it is asked to be.
class HeapError(Error):
    pass


# Compiled code trapped; pc: address of the instruction, offset: the same from the code's start.
class Trap(Error):
    left = None  # exec env, module, sum of the operand stack's bytes: where compiled code left
    tell = None  # with left: the functions of run/trapped.py, by name

    def __init__(self, message, function=None, offset=0, pc=0):
        text = '"' + message + '"'
        if function is not None:
            text += ' in function "%s" at code offset 0x%x' % (function, offset)
        super().__init__(text)
        self.message = message
        self.function = function
        self.offset = offset
        self.pc = pc

    @property
    def frames(self):
        return self.tell(self, "frames") if self.left else []

    def dump(self):
        return self.tell(self, "dump") if self.left else ""


# An import is not what the module asks for.
def incompatible(text):
    raise LinkError("incompatible import type: " + text)


def wrong(what, wanted, value):
    given = value if isinstance(value, str) else type(value).__name__
    incompatible("%s must be %s, %s given" % (what, wanted, given))
