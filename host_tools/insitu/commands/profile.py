"""`insitu run --profile`: a call's instructions by function, as a table and as a file of a flame graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insitu import sim
from insitu.commands.build import Built, write_file
from insitu.commands.explain import SUFFIX, of_build
from insitu.errors import InsituError
from insitu.explain.profile import Profile, profiling
from insitu.session.session import Session


@contextmanager
def profiled(session: Session, app: Path, built: Built, made: Path | None) -> Iterator[Profile | None]:
    """Count what a simulated session executes in here, and write it as speedscope's JSON; nothing where made is None.

    Raises InsituError where the image has no map.
    """
    if made is None:
        yield None
        return
    code_map = of_build(app, built)
    if code_map is None:
        raise InsituError(f"{app.with_suffix(SUFFIX)} is not there: `insitu build` writes it beside the image")
    session.prepare_invoke()
    with profiling(sim.current(), code_map, session.board.image.address) as profile:
        yield profile
    write_file(made, json.dumps(profile.speedscope(app.name)).encode())
