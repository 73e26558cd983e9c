"""The runtime: a global heap, and the modules and instances that are in it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from insitu.instance import Instance
from insitu.module import Module
from insitu.trust import Trusted

_Buffer: TypeAlias = bytearray | memoryview | tuple[int, int]
"""RAM: a buffer that can be written, or (address, size)."""
_Allocator: TypeAlias = tuple[Callable[[int], int], Callable[[int, int], int], Callable[[int], object]]
"""malloc(size), realloc(address, size), free(address): addresses, multiples of 8; 0 is none."""

ALLOC_WITH_POOL: Final = 0
ALLOC_WITH_ALLOCATOR: Final = 1
ALLOC_WITH_SYSTEM_ALLOCATOR: Final = 2

class Runtime:
    """Everything that is made with it comes out of its global heap.

    Attributes: modules: those that are loaded; instances: by number, None where one was destroyed; trusted: as given.
    """

    modules: list[Module]
    instances: list[Instance | None]
    trusted: Sequence[bytes] | Trusted | None

    def __init__(
        self,
        heap: _Buffer | None = None,
        allocator: _Allocator | None = None,
        trusted: Sequence[bytes] | Trusted | None = None,
    ) -> None:
        """heap: the buffer that everything is allocated from; allocator: functions that it comes from; neither:
        MicroPython's heap. trusted: public keys; an image that none of them has signed is not loaded then.

        Raises HeapError if the buffer is too small, cannot be written, or is another runtime's.
        """

    def load(self, source: int | str | bytes | bytearray | memoryview, name: str | None = None) -> Module:
        """The module of an image, which stays where it is. source: its address, a buffer that it lies in, the
        path of a file in a ROM partition, or the name that `insitu flash --name` gave it. name: what it must
        be signed as, where the runtime has keys; of what is loaded by name it is that one.

        Raises LoadError if there is no image, it is damaged, for another CPU, or not signed by a trusted key.
        """

    def busy(self) -> bool:
        """Whether a call into compiled code has not ended."""

    def malloc(self, size: int) -> int:
        """The address of a new block of the global heap; 0: no room."""

    def aligned_alloc(self, size: int, alignment: int) -> int:
        """The same at a multiple of alignment, a power of two."""

    def realloc(self, address: int, size: int) -> int:
        """The block's new address; 0: no room, and then the block is as it was. Raises HeapError for what is none."""

    def free(self, address: int) -> None:
        """Give a block back. Raises HeapError for what is none, or was freed already."""

    def mem_alloc_info(self) -> tuple[int, int, int]:
        """Bytes of the global heap: all, free, the most that were used."""

    def destroy(self) -> None:
        """End everything that was made with this runtime; handles of it raise Error from then on.

        Raises Error while compiled code runs.
        """

def runtime_init() -> Runtime:
    """A runtime whose global heap is MicroPython's; WAMR's wasm_runtime_init."""

def runtime_full_init(mem_alloc_type: int, option: _Buffer | _Allocator | None = None) -> Runtime:
    """A runtime whose global heap is of the given kind (ALLOC_WITH_...); WAMR's wasm_runtime_full_init.

    option: the buffer of a pool, the functions of an allocator, nothing for the system's.
    """
