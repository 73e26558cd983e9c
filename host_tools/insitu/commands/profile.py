"""`insitu run --profile`: a call's instructions or time by function, as a table and as a file of a flame graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from insitu import sim
from insitu.commands.build import Built, write_file
from insitu.commands.explain import SUFFIX, of_build
from insitu.errors import InsituError
from insitu.explain.code_map import CodeMap
from insitu.explain.profile import Profile, profiling
from insitu.explain.samples import sampled
from insitu.port.xip.layout import FLAG_INTERRUPTIBLE, IMAGE_FLAGS
from insitu.session.sampler import SAMPLER, SAMPLES
from insitu.session.session import Session


@contextmanager
def profiled(session: Session, app: Path, built: Built, made: Path | None) -> Iterator[Profile | None]:
    """Count what a simulated session executes in here, sample another, and write it as speedscope's JSON.

    Nothing where made is None. Raises InsituError where the image has no map, or does not poll on a board.
    """
    if made is None:
        yield None
        return
    code_map = of_build(app, built)
    if code_map is None:
        raise InsituError(f"{app.with_suffix(SUFFIX)} is not there: `insitu build` writes it beside the image")
    session.prepare_invoke()
    how = _counted if session.sim else _sampled
    with how(session, code_map) as profile:
        yield profile
    write_file(made, json.dumps(profile.speedscope(app.name)).encode())


def _counted(session: Session, code_map: CodeMap) -> AbstractContextManager[Profile]:
    return profiling(sim.current(), code_map, session.board.image.address)


@contextmanager
def _sampled(session: Session, code_map: CodeMap) -> Iterator[Profile]:
    """Complete at the end."""
    if not session.image.word(IMAGE_FLAGS) & FLAG_INTERRUPTIBLE:
        raise InsituError("a board's profile is of where code polls: `insitu build --interruptible` has it do that")
    profile = Profile(unit=session.run(SAMPLER).decode().strip())
    try:
        yield profile
    finally:
        profile.weights = sampled(code_map, session.run(SAMPLES).decode())
