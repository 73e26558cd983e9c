"""Some systems each time, other ones every day; every one that once went wrong; and that what is broken is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.firmware import BOARDS
from tests.fuzz.systems import compare, firmware, generate
from tests.fuzz.systems.shrink import REGRESSIONS, read
from tests.fuzz.systems.worker import Worker, place_of
from tests.rotate import first_of_today

SYSTEMS, CHUNK = 60, 15
ON_BOARDS = 8


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("offset", range(0, SYSTEMS, CHUNK))
def test_same_as_wasmtime(offset: int, worker: Worker) -> None:
    first = first_of_today(SYSTEMS) + offset
    reports = {seed: worker.compare(seed) for seed in range(first, first + CHUNK)}
    assert {f"system {seed} on {place_of(seed)}": r.wrong for seed, r in reports.items() if r.wrong} == {}
    assert sum(r.steps for r in reports.values()) > 10 * CHUNK
    assert any(r.end == "whole" for r in reports.values())


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("target", BOARDS)
def test_same_as_wasmtime_on_real_firmware(target: str) -> None:
    first = first_of_today(ON_BOARDS)
    reports = firmware.compare_all(range(first, first + ON_BOARDS), target)
    assert {f"system {seed}": r.wrong for seed, r in reports.items() if r.wrong} == {}
    assert sum(r.steps for r in reports.values()) > 10 * ON_BOARDS


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.txt")), ids=lambda path: path.stem)
def test_regression(path: object) -> None:
    target, kind, system = read(path)  # type: ignore[arg-type]
    assert compare.differences(system, target, kind).wrong == []


def test_a_seed_gives_the_same_system() -> None:
    assert [repr(generate.system(seed)) for seed in range(40)] == [repr(generate.system(seed)) for seed in range(40)]


def test_a_check_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Table instructions that do not look at the table's length."""
    from insitu.port.run import requests
    from insitu.port.store import passive

    monkeypatch.setattr(requests, "_check", lambda *_: None)
    monkeypatch.setattr(passive, "check", lambda *_: None)
    assert any(compare.differences(generate.system(seed), *place_of(seed)).wrong for seed in range(60))
