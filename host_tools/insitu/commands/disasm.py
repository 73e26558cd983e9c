"""`insitu disasm`: an image's machine code, beside what it was made of."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from insitu.commands.build import read_file
from insitu.commands.explain import map_of
from insitu.explain.listing import Listing, listings
from insitu.image.read import read


def disasm(app: Path, mapped: Path | None, names: Collection[str]) -> list[Listing]:
    """The functions of these names, or all, of an image. mapped: its map; None: the file beside it.

    Raises InsituError where app is no image, or the map is not there or another image's; for an unknown name.
    """
    return listings(read(read_file(app)), map_of(mapped or app), names)
