"""A few hundred random modules each time, and every one that once went wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.generate import module
from tests.fuzz.shrink import REGRESSIONS
from tests.fuzz.worker import TARGETS, Worker

SEEDS, CHUNK = 200, 20


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_same_as_wasmtime(first: int, worker: Worker) -> None:
    """Each module on one target, so that every target has a third of them."""
    found, modules = [], 0
    for seed in range(first, first + CHUNK):
        if module(seed):
            modules += 1
            found += worker.differences(seed, TARGETS[seed % len(TARGETS)])
    assert found == []
    assert modules > CHUNK // 2


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.wasm")), ids=lambda path: path.stem)
def test_regression(path: object, worker: Worker) -> None:
    seed, target = path.stem.split("-", 1)  # type: ignore[attr-defined]
    assert worker.differences(int(seed), target, str(path)) == []
