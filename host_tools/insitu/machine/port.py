"""A board at a serial port: a device, socket://HOST:PORT, rfc2217://HOST:PORT."""

from __future__ import annotations

from typing import Self

from insitu.link.raw_repl import Link


class Port:
    """Nothing is started and nothing ends: the board is there before and after. Attributes: port: what Link opens."""

    def __init__(self, port: str) -> None:
        self.port = port

    def __enter__(self) -> Self:
        return self

    def link(self) -> Link:
        """A link to its MicroPython; use it in a `with`."""
        return Link(self.port)

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""
