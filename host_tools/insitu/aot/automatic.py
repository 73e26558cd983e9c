"""The window that a module is likely to be fast with, by what its linker left in it: nothing is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.aot import window
from insitu.aot.window import Wanted

if TYPE_CHECKING:
    from insitu.aot.aux_stack import AuxStack
    from insitu.wasm.module import Module

_STACK = 2048  # bytes at the aux stack's upper end: few programs without a C library's printf go deeper
_MOST = 16384  # bytes that a window takes which nobody gave a size
_I32_CONST = 0x41


@dataclass(frozen=True, slots=True)
class Automatic:
    """A window that is still to be found. Attributes: page: bytes of a far page."""

    page: int = window.PAGE

    def __str__(self) -> str:
        return "auto"

    def of(self, wasm: Module, aux: AuxStack) -> Wanted:
        """Around static data and the upper end of the aux stack, or that alone where they lie too far apart."""
        start, end = statics(wasm, aux)
        if not aux.top:
            return Wanted(0, min(end, _MOST), self.page)
        hot = max(aux.bottom, aux.top - _STACK)
        low, high = min(hot, start), max(aux.top, end)
        if aux.top <= start:  # the stack comes first: what lies behind its end is static data
            low, high = hot, min(high, hot + _MOST)
        elif high - low > _MOST:
            low, high = hot, aux.top
        return Wanted(0 if high <= _MOST // 4 else low, high, self.page)


Asked = Wanted | Automatic | int | None


def statics(wasm: Module, aux: AuxStack) -> tuple[int, int]:
    """First address and the one behind the last of active data segments of a constant place, and of what is zeros."""
    constant = [d for d in wasm.data if d.mode == "active" and d.offset[0][0] == _I32_CONST]
    places = [(d.offset[0][1] & 0xFFFFFFFF, len(d.data)) for d in constant]
    end = max([at + length for at, length in places], default=0)
    return min([at for at, _ in places], default=aux.top), max(end, aux.data_end or 0)
