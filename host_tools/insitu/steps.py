"""What may take longer than a person waits without a word says what it does, and how far it is, to who listens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

Progress = Callable[[int, int], None]  # done, in all
Listener = Callable[[str], AbstractContextManager[Progress]]  # is entered for as long as the step of that name takes


def silent(_: int, __: int) -> None:
    """A Progress that nobody hears of."""


@contextlib.contextmanager
def _nobody(_: str) -> Iterator[Progress]:
    yield silent


_listener: Listener = _nobody


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener, and no other, hear of the steps of this process."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def step(what: str) -> AbstractContextManager[Progress]:
    """A step; use it in a `with`. It gives what is to be told how far it is, where that is known."""
    return _listener(what)
