"""Some sequences each time, other ones every day; and that what is broken is found."""

from __future__ import annotations

import pytest

from tests.firmware import BOARDS
from tests.rotate import first_of_today
from tests.state import firmware
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


def test_a_check_that_is_missing_is_found_and_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handles that do not ask whether their instance lives."""
    from insitu.port.instance import Instance

    monkeypatch.setattr(Instance, "alive", lambda self: self)
    sequence = next(s for s in map(generated, range(30)) if s.finding)
    short = shrunk(sequence.seed, sequence.operations)
    assert len(short) <= 12
    assert {"load", "instantiate"} <= {operation[0] for operation in short}
