"""Damaged WebAssembly files: an image or a refusal in words, never a traceback, an abort of LLVM or a hang."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from insitu.places import CHECKOUT as ROOT
from insitu.toolchain import compile_c

from tests.hostile.mutate import mutated
from tests.hostile.worker import IMAGE, Worker

FILES, CHUNK = 2400, 200
SOURCES = ("examples/fir/app.c", "bench/kernels/list.c", "bench/kernels/interpreter.c", "bench/kernels/int64.c")


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("wasm")
    return [compile_c(ROOT / name, folder / f"{Path(name).stem}.wasm").read_bytes() for name in SOURCES]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, FILES, CHUNK))
def test_damaged_modules(first: int, valid: list[bytes], worker: Worker) -> None:
    answers = []
    for seed in range(first, first + CHUNK):
        answers.append(worker.compile(mutated(valid[seed % len(valid)], seed)))
    wrong = [f"seed {first + i}: {answer}" for i, answer in enumerate(answers) if answer.startswith("!")]
    assert wrong == []
    assert 0 < answers.count(IMAGE) < CHUNK


def test_the_undamaged_ones_compile(valid: list[bytes], worker: Worker) -> None:
    assert [worker.compile(data) for data in valid] == [IMAGE] * len(valid)
