"""The package `insitu` on a device: WebAssembly modules, executed in place."""

from insitu.runtime import ALLOC_WITH_ALLOCATOR as ALLOC_WITH_ALLOCATOR
from insitu.runtime import ALLOC_WITH_POOL as ALLOC_WITH_POOL
from insitu.runtime import ALLOC_WITH_SYSTEM_ALLOCATOR as ALLOC_WITH_SYSTEM_ALLOCATOR
from insitu.runtime import Runtime as Runtime
from insitu.runtime import runtime_full_init as runtime_full_init
from insitu.runtime import runtime_init as runtime_init

__version__: str

class Error(Exception):
    """What the runtime raises. Its text says what is wrong and what would be right."""

class LoadError(Error):
    """The image cannot be used here: there is none, it is damaged, or for another CPU."""

class LinkError(Error):
    """An import is missing, or is not what the module asks for."""

class OutOfHeap(Error):
    """The global heap, or linear memory, has no room."""

class HeapError(Error):
    """The global heap was damaged, or cannot be what it is asked to be."""

class Trap(Error):
    """Compiled code trapped. The runtime and the instance go on.

    Attributes: message: the standard's words; function: its name, None where none is known; offset: of the
    instruction, from the code's start; pc: its address; frames: offset, and those of all words on the operand stack
    that may be return addresses, last call first. Ask for frames and dump() before anything else runs on the exec env.
    """

    message: str
    function: str | None
    offset: int
    pc: int
    @property
    def frames(self) -> list[int]: ...
    def dump(self) -> str:
        """A line of text that `insitu explain` makes functions, source lines and instructions of.

        Raises Error where something ran on the operand stack after the trap.
        """

    def __init__(self, message: str, function: str | None = None, offset: int = 0, pc: int = 0) -> None: ...
