"""`insitu explain`: where a trap came from, in functions, lines and instructions of the module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insitu.commands.build import Built, is_image, read_file
from insitu.errors import InsituError
from insitu.explain.code_map import CodeMap, read_map
from insitu.explain.explain import Explanation, explain, understand
from insitu.image.read import read
from insitu.session.session import RunError

SUFFIX = ".map"


def map_of(path: Path) -> CodeMap:
    """The map in a file, or beside an image. Raises InsituError where there is none, or it is another image's."""
    data = read_file(path)
    if not is_image(data):
        return read_map(path, data)
    found = beside(path, data)
    if found is None:
        raise InsituError(f"{path.with_suffix(SUFFIX)} is not there: `insitu build` writes it beside the image")
    return found


def beside(path: Path, image: bytes) -> CodeMap | None:
    """The map in the file beside an image; None where there is none. Raises InsituError for another image's."""
    place = path.with_suffix(SUFFIX)
    if place == path or not place.exists():
        return None
    found = read_map(place, read_file(place))
    found.check(read(image))
    return found


def of_build(app: Path, built: Built) -> CodeMap | None:
    """The map of what was just built; of what was an image already, the one beside it, as beside says."""
    made = built.map()
    return beside(app, built.image) if made is None else read_map(app, made)


def explain_text(path: Path, text: str) -> Explanation:
    """What is known of the place that a pasted text says, with the map of map_of(path)."""
    return explain(map_of(path), understand(text))


@contextmanager
def explaining(app: Path, built: Built) -> Iterator[None]:
    """A trap in here says which calls led to it, as far as the image has a map: of the build, or beside it."""
    try:
        yield
    except RunError as error:
        if not error.dump:
            raise
        found = of_build(app, built)
        if found is None:
            raise
        _, *frames = explain(found, understand(error.dump)).lines()
        raise RunError("\n".join([str(error), *frames]), error.output, error.dump) from None
