"""A flash controller that somebody else wrote: nRF51's in QEMU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from insitu.flash.store import OnBoard
from insitu.link.raw_repl import Link

from tests.flash import microbit

_WRITES = 5  # python -m tests.flash makes more


pytestmark = [pytest.mark.qemu, pytest.mark.slow]


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    with microbit.booted() as found:
        yield found


def test_power_cuts(link: Link) -> None:
    untouched, found = microbit.around(link), None
    for seed in range(_WRITES):
        found = microbit.one_cut(link, seed, found, untouched)


def test_power_cuts_of_images_by_name(link: Link) -> None:
    untouched = microbit.around(link)
    board = OnBoard(link, microbit.BOARD)
    done = [microbit.store_cut(link, board, seed) for seed in range(_WRITES)]
    assert len(set(done)) == 2  # some were cut, some were not
    assert microbit.around(link) == untouched
