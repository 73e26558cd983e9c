"""A part of `make floats` on every target in the simulator; which part changes with the day, or with the seed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from insitu.sim import CPUS as TARGETS  # hazard3 has no emulator

from tests.floats import board, campaign
from tests.floats.compare import Report

_SHARE, _RANDOMS, _COMBINED, _TURNS = 50, 5000, 200, 4


def _check(what: str, reports: Iterator[tuple[str, Report]], capsys: pytest.CaptureFixture[str]) -> None:
    total, wrong = Report(), []
    for _, report in reports:
        total.add(report)
        wrong += report.differences or []
    again = f"{campaign.SEED}={campaign.todays_seed()}"
    with capsys.disabled():  # stderr: what pytest-xdist's workers write to stdout is lost
        print(f"\n{what}: {total.results:,} results, {total.different} differ ({again})", file=sys.stderr)
    assert total.results
    assert not wrong, f"{again}\n" + "\n".join(wrong[:50])


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_instructions(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    seed = campaign.todays_seed()
    _check(f"{target}, float instructions", campaign.singles(target, seed, _RANDOMS, _SHARE), capsys)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_combinations(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    seed = campaign.todays_seed()
    group = campaign.group_of(target, seed)
    _check(f"{target}, {group}", campaign.combined(target, group, seed, _COMBINED, _SHARE, turns=_TURNS), capsys)


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("name", board.BOARDS)
def test_firmware(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A quarter of the instructions, with all pairs of the board's hard values."""
    _check(f"{name}, float instructions", board.on_firmware(name, campaign.todays_seed(), 4), capsys)


def test_the_judge(capsys: pytest.CaptureFixture[str]) -> None:
    """numpy on the host's hardware, against wasmtime and Berkeley SoftFloat."""
    _check("the judge of floats", campaign.the_judge(campaign.todays_seed(), 2000), capsys)


def test_every_group_has_its_turn() -> None:
    for target in TARGETS:
        turns = {(campaign.group_of(target, seed), seed % _TURNS) for seed in range(_TURNS * len(campaign.GROUPS))}
        assert len(turns) == _TURNS * len(campaign.GROUPS)
