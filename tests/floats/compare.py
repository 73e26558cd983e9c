"""An operation's results against the judge's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.floats import ieee, operands
from tests.floats.arrays import Simulated
from tests.floats.expressions import Operation
from tests.floats.ieee import Array

_SHOWN = 5  # differences of an operation that are told
_TRAPPING = 500  # values that trap which are tried, each in a call of its own
_INVALID, _OVERFLOW = "invalid conversion to integer", "integer overflow"


@dataclass(slots=True)
class Report:
    """What was compared.

    Attributes:
        results: how many; differences: texts of the first ones, `different` of them in all.
    """

    results: int = 0
    different: int = 0
    differences: list[str] | None = None

    def add(self, other: Report) -> None:
        self.results += other.results
        self.different += other.different
        self.differences = [*(self.differences or []), *(other.differences or [])]


def _shown(operation: Operation, given: dict[str, Array], expected: ieee.Values, got: Array, bad: Array) -> list[str]:
    width = {t: bits // 4 for t, bits in (("i32", 32), ("f32", 32), ("i64", 64), ("f64", 64))}
    lines = []
    for i in np.flatnonzero(bad)[:_SHOWN]:
        inputs = " ".join(
            f"{name}={int(values[i]):#0{width[t] + 2}x}"
            for (name, values), t in zip(given.items(), operation.params, strict=True)
        )
        wanted = ("", "a canonical NaN, ", "an arithmetic NaN, ")[int(expected.may_be[i])]
        digits = width[operation.result] + 2
        lines.append(
            f"{operation.name} {inputs}: {int(got[i]):#0{digits}x}, not {wanted}{int(expected.bits[i]):#0{digits}x}"
        )
    return lines


def judged(operation: Operation, given: dict[str, Array], got: Array) -> Report:
    """Results against the judge."""
    expected = ieee.evaluate(operation.expression, given)
    bad = ~ieee.allowed(expected, got)
    return Report(len(got), int(bad.sum()), _shown(operation, given, expected, got, bad))


def _trapping(machine: Simulated, operation: Operation, values: Array) -> Report:
    """Values of which each must trap, for the standard's reason."""
    report = Report(len(values), 0, [])
    assert report.differences is not None
    for value, nan in zip(values, ieee.is_nan(operation.params[0], values), strict=True):
        wanted, said = _INVALID if nan else _OVERFLOW, machine.traps(operation, value)
        if wanted not in said:
            report.different += 1
            if report.different <= _SHOWN:
                report.differences.append(f"{operation.name} a={int(value):#x}: {said or 'no trap'}, not {wanted}")
    return report


def check(machine: Simulated, operation: Operation, given: dict[str, Array]) -> Report:
    """Run the operation on the operands; all that trap of up to _TRAPPING, each on its own."""
    report = Report()
    if operation.traps:
        fits = operands.fits(operation, given)
        report.add(_trapping(machine, operation, given["a"][~fits][:_TRAPPING]))
        given = {"a": given["a"][fits]}
    report.add(judged(operation, given, machine.run(operation, given)))
    return report


def hard_and_random(
    machine: Simulated, operation: Operation, rng: np.random.Generator, *, randoms: int, share: int = 1
) -> Report:
    """One in `share` of the hard values' pairs, and that many random operands."""
    given = operands.pairs(operation)
    if share > 1:
        first = int(rng.integers(share))
        given = {name: values[first::share] for name, values in given.items()}
    report = check(machine, operation, given)
    if not operation.params:
        return report
    report.add(check(machine, operation, operands.random(operation, rng, randoms)))
    return report
