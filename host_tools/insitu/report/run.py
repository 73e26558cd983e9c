"""Calls that are made to be measured: peaks of every pool by call, and on the simulated CPU instructions."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from insitu import sim
from insitu.aot.automatic import Asked
from insitu.aot.efforts import SPEED
from insitu.aot.options import Options
from insitu.board.record import Board
from insitu.commands.inspect import image_facts
from insitu.commands.tune import Call, Place
from insitu.image.read import read
from insitu.session import values
from insitu.session.given import NOTHING, Given, bind
from insitu.session.session import Session, export_type, understand
from insitu.telemetry import ask
from insitu.telemetry.decode import Snapshot
from insitu.telemetry.record import Recording

STACK = 2048  # bytes of the operand stack, unless calls are known to need more
_RESET = "import insitu.telemetry\ninsitu.telemetry.reset_peaks()\n"


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the calls are given, in bytes; 0: what a run has unless somebody says otherwise.

    Attributes: app_heap, window: see aot.options.Options.
    """

    heap: int = 0
    stack: int = 0
    app_heap: int = 0
    window: Asked = None

    def options(self, optimise: str = SPEED) -> Options:
        """What the module is compiled with."""
        return Options(app_heap=self.app_heap, window=self.window, optimise=optimise)


SIMULATED, DEFAULT = Place(), Sizes()


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made. Attributes: instructions: executed in the simulator, callbacks' own not; None elsewhere."""

    call: str
    results: list[Any]
    instructions: int | None
    peaks: dict[str, int]


@dataclass(slots=True)
class Measured:
    """Attributes: where: what ran it; recording: a snapshot after instantiation and one after each call.

    said: what was printed at last.
    """

    where: str
    calls: list[Made] = field(default_factory=list)
    recording: Recording = field(default_factory=Recording)
    said: str = ""


def measure(
    board: Board,
    image: bytes,
    calls: list[Call],
    bindings: dict[str, str],
    *,
    place: Place = SIMULATED,
    sizes: Sizes = DEFAULT,
    given: Given = NOTHING,
    timeout: float | None = None,
    prelude: str = "",
    last: str = "",
) -> Measured:
    """Make the calls on the simulated CPU, in the board's emulator or on the board. Raises InsituError.

    bindings: as --import has them, or expressions of the prelude; given, timeout, prelude: see Session.
    last: code that runs when all is measured; what it prints is in `said`.
    """
    described = read(image)
    passed = []
    for call in calls:
        arguments, given = understand(described, call.export, call.arguments, given)
        passed.append((call, arguments))
    session = Session(
        board,
        image,
        imports=bind(described, bindings) if not prelude else bindings,
        prelude=prelude,
        heap=sizes.heap,
        stack=sizes.stack or max(STACK, image_facts(image)["operand_stack_needed"] or 0),
        knobs={"heap_size": sizes.app_heap},
        port=place.port,
        sim=place.sim,
        given=given,
        timeout=timeout,
    )
    found = Measured("simulated CPU" if place.sim else "board" if place.port else "emulator")
    with session:
        begin = time.monotonic()
        found.recording.add(0, ask.snapshot(session.link), "instantiate")
        for call, arguments in passed:
            session.run(_RESET)
            with sim.current().counting() if place.sim else nullcontext() as counter:
                _, results = session.invoke(call.export, arguments)
            snapshot = ask.snapshot(session.link)
            found.recording.add(time.monotonic() - begin, snapshot, str(call))
            typed = zip(export_type(described, call.export)[1], results, strict=False)  # an exit has none
            shown = [values.plain(*result) for result in typed]
            executed = counter.instructions if counter else None
            found.calls.append(Made(str(call), shown, executed, peaks(snapshot)))
        found.said = session.run(last).decode() if last else ""
    return found


def peaks(snapshot: Snapshot) -> dict[str, int]:
    """The highest of each kind of pool, in bytes."""
    envs, instances = snapshot["exec_envs"], snapshot["instances"]
    return {
        "global heap": snapshot["global_heap"]["peak"],
        "operand stack": max([env["stack_peak"] for env in envs], default=0),
        "aux stack": max([instance["aux_stack_peak"] for instance in instances], default=0),
        "app heap": max([instance["app_heap_peak"] for instance in instances], default=0),
    }
