"""Images in the board's flash by name and version: written, tried, kept, removed.

What a power cut leaves at any time is what each name stood for before, or after.
"""

from typing import Any

from insitu.module import Module
from insitu.runtime import Runtime

MOST_NAME: int
MOST_STARTS: int

def image_size(data: bytes) -> int | None:
    """Bytes of the image that data, its first 40 bytes or more, is the start of; None: it is none."""

class Image:
    """One of them. Attributes: address: for Runtime.load; starts: how many it has on trial, 0: it needs none."""

    name: str
    version: int
    address: int
    size: int
    starts: int

    def whole(self) -> bool:
        """Whether all of it was written, and reads as it was."""

    def confirmed(self) -> bool:
        """Whether it is no trial's any more."""

    def left(self) -> int:
        """Starts that a trial still has."""

class Images:
    """Those in the board's flash. Nothing of it is kept in RAM: each call looks at flash."""

    def __init__(self, flash: Any = None) -> None:
        """flash: what programs it, in a test of one's own; the board's unless given."""

    def found(self, name: str | None = None, first: int = 65535) -> list[Image]:
        """Those that are whole; of one name in the order in which load tries them.

        first: those that go with so many blocks at the start of the place.
        """

    def rows(self) -> list[tuple[str, int, int, int, str]]:
        """Of each: name, version, address, bytes, and "current", "previous", "old", "on trial, ...", "failed"."""

    def load(self, runtime: Runtime, name: str) -> Module:
        """What Runtime.load does with a name: the newest that is whole, may start and is taken by the runtime.

        The first load since the board's reset is a start. Raises LoadError.
        """

    def confirm(self, name: str) -> None:
        """The image of that name that was loaded since the reset is good: its trial ends. Raises OSError."""

    def begin(self, name: str, size: int, version: int | None = None, starts: int = 0) -> Writer:
        """Make room for a new image of size bytes, erasing what nobody needs.

        version: one more than the newest has unless given. starts: so often it may be loaded, once a reset, before
        confirm(); then the one before it is taken again; 0: it needs no trial. Raises OSError where there is no room.
        """

    def remove(self, name: str, version: int | None = None) -> None:
        """Remove all of a name, or one version. What is loaded stays in flash until it is unloaded. Raises OSError."""

class Writer:
    """Takes a new image in pieces. Attributes: version: what it will have."""

    version: int
    address: int

    def write(self, data: bytes) -> None:
        """The next piece, of any size. Raises OSError."""

    def end(self) -> None:
        """All is there: from now on it is the newest of its name. Raises OSError where it is not, or is no image."""
