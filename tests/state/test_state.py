"""Some sequences each time, other ones every day; and that what is broken is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.firmware import BOARDS
from tests.rotate import first_of_today
from tests.state import firmware, machines
from tests.state.run import generated, place_of, shrunk

SEQUENCES = 15
ON_BOARDS, STEPS = 3, 200


@pytest.mark.slow
@pytest.mark.parametrize("offset", range(0, SEQUENCES, 3))
def test_sequences(offset: int) -> None:
    first = first_of_today(SEQUENCES) + offset
    found = {seed: generated(seed) for seed in range(first, first + 3)}
    assert {f"sequence {seed} on {place_of(seed)}": s.finding for seed, s in found.items() if s.finding} == {}
    assert sum(s.seen["calls of an import"] for s in found.values()) > 3


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("target", BOARDS)
def test_sequences_on_real_firmware(target: str) -> None:
    found = list(firmware.sequences(target, first_of_today(ON_BOARDS), STEPS))
    assert {f"sequence {s.seed}": s.finding for s in found if s.finding} == {}
    assert sum(s.steps for s in found) >= STEPS


def _handles_do_not_ask(patch: pytest.MonkeyPatch) -> None:
    from insitu.port.instance import Instance

    patch.setattr(Instance, "alive", lambda self: self)


def _only_who_gives_is_marked(patch: pytest.MonkeyPatch) -> None:
    """Issue 7, 1.5: not whose function it is."""
    from insitu.port.run import references

    whole = references._function

    def function(runtime: Any, value: Any, what: str) -> Any:
        before = [(i, i.given) for i in runtime.instances if i is not None]
        words = whole(runtime, value, what)
        for instance, given in before:
            instance.given = given
        value.instance.given = True
        return words

    patch.setattr(references, "_function", function)


def _guards_grow_while_code_runs(patch: pytest.MonkeyPatch) -> None:
    """Issue 7, 1.4."""
    from insitu.port.runtime import Runtime

    def larger(self: Any, guard: int) -> None:
        self.guard = max(guard, self.guard)
        for env in [e for i in self.instances if i is not None for e in i.exec_envs]:
            env.set_limit()

    patch.setattr(Runtime, "_guard", larger)


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken", [_handles_do_not_ask, _only_who_gives_is_marked, _guards_grow_while_code_runs], ids=lambda f: f.__name__
)
def test_what_is_broken_is_found_and_made_short(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.simulated("cortex-m3", "pool")  # port/ can be imported from now on
    broken(monkeypatch)
    sequence = next(s for s in map(generated, range(60)) if s.finding)
    short = shrunk(sequence.seed, sequence.operations)
    assert len(short) <= 20
    assert {"load", "instantiate"} <= {operation[0] for operation in short}
