"""How hard the compiler tries, and for what."""

from __future__ import annotations

from dataclasses import dataclass

_PLAIN = ()
_NO_STRENGTH_REDUCTION = ("-disable-lsr=true",)
_NARROW = ("-lsr-exp-narrow=true",)
_POSTINDEXED = ("-lsr-preferred-addressing-mode=postindexed",)
_SOURCE_ORDER = ("-enable-misched=false",)


@dataclass(frozen=True, slots=True)
class Variant:
    """One generation of code.

    Attributes:
        options: LLVM's.
        bases: whether the sums of instance pointer and constants are made first (bases.py).
    """

    options: tuple[str, ...] = _PLAIN
    bases: bool = True


@dataclass(frozen=True, slots=True)
class Effort:
    """What is tried.

    Attributes:
        size: whether code is to be small before it is fast.
        variants: a function with a loop takes the cheapest of them, others the first one.
        unroll: whether loops are written out, by LLVM and by unroll.py.
        apart: whether LLVM's passes see one function at a time, with small ones inlined before: two thirds of the time
            that those of a whole module take.
        twice: whether loops have a version without checks (versions.py).
    """

    size: bool
    variants: tuple[Variant, ...]
    unroll: bool = True
    apart: bool = False
    twice: bool = False


SPEED, MOST, SIZE = "speed", "most", "size"
ONCE, QUICK = "once", "quick"  # what becomes of SPEED in a large module: see by_size
# Of ten, four that the kernels lose little with, by cost.py on Cortex-M4F and on rv32. With _NARROW for the last one
# AES takes 0.94 of the instructions on Cortex-M3, quicksort 1.04 and LZ 1.05.
_BEST = (
    Variant(_POSTINDEXED),
    Variant(_POSTINDEXED, bases=False),
    Variant(_NO_STRENGTH_REDUCTION, bases=False),
    Variant(_NO_STRENGTH_REDUCTION),
)
_OTHERS = Variant(_NARROW), Variant(_SOURCE_ORDER), Variant(_SOURCE_ORDER, bases=False)
EFFORTS = {
    SPEED: Effort(False, _BEST, twice=True),
    MOST: Effort(False, _BEST + _OTHERS, twice=True),
    SIZE: Effort(True, _BEST + _OTHERS, unroll=False),
    ONCE: Effort(False, (Variant(),)),
    QUICK: Effort(False, (Variant(_NO_STRENGTH_REDUCTION),), unroll=False, apart=True),
}

# Instructions of a module up to which each is what SPEED means, for the time that it takes: see python -m bench.large,
# whose MiB has 400,000.
# Against SPEED, the kernels take 1.06 of the instructions by ONCE and 1.16 by QUICK on Cortex-M4F; their images have
# 1.01 and 0.82 of the bytes.
_LARGE = ((16_000, SPEED), (100_000, ONCE))


def by_size(effort: str, instructions: int) -> str:
    """What a module of so many instructions is compiled with, where an effort was asked for."""
    if effort != SPEED:
        return effort
    return next((name for most, name in _LARGE if instructions <= most), QUICK)
