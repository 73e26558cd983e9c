"""How large the global heap of a run is where nobody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from insitu.board.record import Board
from insitu.commands.inspect import image_layout, ram
from insitu.image.read import Image
from insitu.port.xip.layout import FLAG_MEMORY_GROWS, FLAG_MEMORY_IMPORTED, FLAG_MEMORY_SHARED, IMAGE_FLAGS

_SPARE = 512  # bytes for the heap's control words and the rounding of an instance's blocks


def needed(image: Image, stack: int, *, heap_size: int = 0, initial_memory: int = 0) -> int:
    """Bytes of a global heap that hold an instance with an operand stack of stack bytes; a multiple of 8.

    heap_size, initial_memory: as instantiate has them; what they add to a linear memory that can grow.
    """
    more = 0
    if image.word(IMAGE_FLAGS) & FLAG_MEMORY_GROWS:
        unit = image.page_size
        more = max(0, initial_memory * unit - image.memory_size) + -(-heap_size // unit) * unit
    shared = FLAG_MEMORY_SHARED | FLAG_MEMORY_IMPORTED
    if image.word(IMAGE_FLAGS) & shared == shared:  # a program with threads makes it
        more += image.memory_size
    pools = ram(image_layout(image), stack)
    size = pools["sum"] + more + _SPARE
    blocks = pools["block_headers"] // 4
    size += (_unit(size) - _unit(0)) * (blocks + 2)  # where control words end and the heap does, too
    return size + -size % 8


def _unit(size: int) -> int:
    """Bytes that blocks of a heap of size bytes are multiples of (port/heap/control.py)."""
    unit = 8
    while size // unit > 0xFFFF:
        unit *= 2
    return unit


def default(board: Board, images: Sequence[Image], stack: int, knobs: Mapping[str, int | None]) -> int:
    """Bytes: the board's own, or what instances of the images need, the first with these knobs, if that is more."""
    given = {name: knobs.get(name) or 0 for name in ("heap_size", "initial_memory")}
    return max(board.global_heap, needed(images[0], stack, **given) + sum(needed(other, stack) for other in images[1:]))
