"""How hard the compiler tries, and for what."""

from __future__ import annotations

from dataclasses import dataclass

_NO_STRENGTH_REDUCTION = ("-disable-lsr=true",)
_NARROW = ("-lsr-exp-narrow=true",)
_SOURCE_ORDER = ("-enable-misched=false",)


@dataclass(frozen=True, slots=True)
class Effort:
    """What is tried.

    Attributes:
        size: whether code is to be small before it is fast.
        variants: LLVM's options, for one generation of code each, beside the one without any.
    """

    size: bool
    variants: tuple[tuple[str, ...], ...]


SPEED, MOST, SIZE = "speed", "most", "size"
ONCE = "once"  # what becomes of SPEED in a large module: see units.py
EFFORTS = {
    SPEED: Effort(False, (_NO_STRENGTH_REDUCTION, _NARROW)),
    MOST: Effort(False, (_NO_STRENGTH_REDUCTION, _NARROW, _SOURCE_ORDER, _NO_STRENGTH_REDUCTION + _SOURCE_ORDER)),
    SIZE: Effort(True, (_NO_STRENGTH_REDUCTION,)),
    ONCE: Effort(False, ()),
}
