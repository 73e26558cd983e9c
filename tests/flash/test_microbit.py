"""A flash controller that somebody else wrote: nRF51's in QEMU."""

from __future__ import annotations

import pytest

from tests.flash import microbit

_WRITES = 5  # python -m tests.flash makes more


@pytest.mark.qemu
@pytest.mark.slow
def test_power_cuts() -> None:
    with microbit.booted() as link:
        untouched, found = microbit.around(link), None
        for seed in range(_WRITES):
            found = microbit.one_cut(link, seed, found, untouched)
