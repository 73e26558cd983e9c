"""What a user may ask of the image that a module becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.aot.efforts import SPEED

if TYPE_CHECKING:
    from insitu.aot.automatic import Asked


@dataclass(frozen=True, slots=True)
class Options:
    """How a module is compiled.

    Attributes:
        app_heap: bytes to keep for an app heap at the end of a linear memory that cannot grow.
        window: bytes of linear memory, from address 0 on or as Wanted and Automatic say, that are RAM from the start;
            all else is taken from the global heap by small pages, when it is first written. None: all of it is RAM.
            Without a memory of the module's own it changes nothing.
        interruptible: whether a call can be stopped wherever it is (port/run/polls.py).
        optimise: a name of efforts.EFFORTS: "speed"; "most", which takes longer for a little more speed; "size".
    """

    app_heap: int = 0
    window: Asked = None
    interruptible: bool = False
    optimise: str = SPEED


DEFAULT = Options()
