"""What Python does about garbage while a module is compiled."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """No search for garbage that refers to itself: there is hardly any, and looking at what is kept to the end takes a
    sixth of the time of the contract's proof."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()
