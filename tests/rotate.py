"""What is other every day, so that CI reaches more than one day has time for."""

from __future__ import annotations

import datetime

_DAYS = 10_000


def is_of_today(which: int, of: int) -> bool:
    """Whether it is the turn of one of several, each of which has its days."""
    return datetime.date.today().toordinal() % of == which


def first_of_today(count: int) -> int:
    """The first of count seeds that no other day takes."""
    return 1_000_000 + count * (datetime.date.today().toordinal() % _DAYS)
