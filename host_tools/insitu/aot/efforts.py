"""How hard the compiler tries, and for what."""

from __future__ import annotations

from dataclasses import dataclass

_PLAIN = ()
_NO_STRENGTH_REDUCTION = ("-disable-lsr=true",)
_NARROW = ("-lsr-exp-narrow=true",)
_SOURCE_ORDER = ("-enable-misched=false",)


@dataclass(frozen=True, slots=True)
class Effort:
    """What is tried.

    Attributes:
        size: whether code is to be small before it is fast.
        variants: LLVM's options, for one generation of code each; a function takes the cheapest of them.
        unroll: whether loops are written out, by LLVM and by unroll.py.
    """

    size: bool
    variants: tuple[tuple[str, ...], ...]
    unroll: bool = True


SPEED, MOST, SIZE = "speed", "most", "size"
ONCE, QUICK = "once", "quick"  # what becomes of SPEED in a large module: see by_size
EFFORTS = {
    SPEED: Effort(False, (_PLAIN, _NO_STRENGTH_REDUCTION, _NARROW)),
    MOST: Effort(
        False, (_PLAIN, _NO_STRENGTH_REDUCTION, _NARROW, _SOURCE_ORDER, _NO_STRENGTH_REDUCTION + _SOURCE_ORDER)
    ),
    SIZE: Effort(True, (_PLAIN, _NO_STRENGTH_REDUCTION), unroll=False),
    ONCE: Effort(False, (_PLAIN,)),
    QUICK: Effort(False, (_NO_STRENGTH_REDUCTION,), unroll=False),
}

# Instructions of a module up to which each is what SPEED means, so that on two cores 1 MiB (400,000) takes 20 seconds.
# Against SPEED, the kernels take 1.03 of the instructions by ONCE and 1.08 by QUICK on Cortex-M4F; their images have
# 1.01 and 0.80 of the bytes.
_LARGE = ((16_000, SPEED), (100_000, ONCE))


def by_size(effort: str, instructions: int) -> str:
    """What a module of so many instructions is compiled with, where an effort was asked for."""
    if effort != SPEED:
        return effort
    return next((name for most, name in _LARGE if instructions <= most), QUICK)
