"""What is compared with what, in parts that `make floats` runs whole and `make test` by turns."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator

import numpy as np
from insitu.sim import CPUS as TARGETS

from tests.floats import compare, folding, judges, operands
from tests.floats.arrays import COUNT, Simulated
from tests.floats.compare import Report
from tests.floats.expressions import INSTRUCTIONS, Operation, single

SEED = "INSITU_FLOATS_SEED"


def todays_seed() -> int:
    """The variable's number, or the day's: what make test tries changes with the day."""
    return int(os.environ.get(SEED) or datetime.datetime.now(datetime.UTC).date().toordinal())


def _generator(seed: int, name: str) -> np.random.Generator:
    """One for each operation, so that one alone draws what it draws among all."""
    return np.random.default_rng([seed, *name.encode()])


def _compared(
    target: str, operations: list[Operation], seed: int, randoms: int, share: int
) -> Iterator[tuple[str, Report]]:
    machine = Simulated(target, operations)
    for operation in operations:
        rng = _generator(seed, operation.name)
        yield operation.name, compare.hard_and_random(machine, operation, rng, randoms=randoms, share=share)


def singles(target: str, seed: int, randoms: int, share: int = 1, only: str = "") -> Iterator[tuple[str, Report]]:
    """Each instruction on its own: one in `share` of the hard values or their pairs, and `randoms` random operands."""
    operations = [single(name) for name in INSTRUCTIONS if only in name]
    yield from _compared(target, operations, seed, randoms, share)


GROUPS = tuple(folding.GROUPS)


def combined(
    target: str, group: str, seed: int, randoms: int, share: int = 1, only: str = "", turns: int = 1
) -> Iterator[tuple[str, Report]]:
    """One in `turns` operations of a group of folding.py; the seed says which."""
    operations = [operation for operation in folding.GROUPS[group]() if only in operation.name][seed % turns :: turns]
    yield from _compared(target, operations, seed, randoms, share)


def group_of(target: str, seed: int) -> str:
    """The group whose turn it is: a target's changes from seed to seed, and the targets' differ."""
    return GROUPS[(seed + list(TARGETS).index(target)) % len(GROUPS)]


def the_judge(seed: int, count: int, only: str = "") -> Iterator[tuple[str, Report]]:
    """The judge against wasmtime and SoftFloat: count operands of each instruction, half of them hard."""
    operations = [single(name) for name in INSTRUCTIONS if only in name]
    machine = judges.Wasmtime(operations)
    for operation in operations:
        rng = _generator(seed, operation.name)
        given = _sample(operation, rng, min(count, COUNT))
        if operation.traps:
            given = {"a": given["a"][operands.fits(operation, given)]}
        report = compare.judged(operation, given, machine.run(operation, given))
        results = judges.softfloat(operation.drawn, given)
        if results is not None:
            report.add(compare.judged(operation, given, results))
        yield operation.name, report


def _sample(operation: Operation, rng: np.random.Generator, count: int) -> dict[str, operands.Array]:
    hard, drawn = operands.pairs(operation), operands.random(operation, rng, count // 2)
    chosen = rng.integers(0, len(hard["a"]), count // 2)
    return {name: np.concatenate([hard[name][chosen], drawn[name]]) for name in hard}
