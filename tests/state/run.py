"""Sequences of operations on a device and its model, and how a sequence that finds something is made short."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from insitu import sim

from tests.state import machines
from tests.state.generate import NESTED, Generator
from tests.state.model import Finding, Model, Operation

LENGTH = 150  # operations of a sequence, not counting those inside imports


@dataclass
class Sequence:
    """Attributes:
    finding: what the device did wrong, "" if nothing. seen: how often each operation and each choice was.
    """

    seed: int
    operations: list[Operation] = field(default_factory=list)
    finding: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def steps(self) -> int:
        """Operations that were made, those inside imports counted."""
        return sum(number for name, number in self.seen.items() if name.isidentifier())


def place_of(seed: int) -> tuple[str, str]:
    """Target and kind of heap."""
    count = len(machines.TARGETS)
    return machines.TARGETS[seed % count], machines.KINDS[seed // count % len(machines.KINDS)]


def step(device: Any, model: Model, operation: Operation) -> str:
    """One operation on both; what is wrong."""
    try:
        trace, broken = device.step(operation)
    except (sim.CpuFault, sim.MemoryFault) as error:
        return f"crash: {error}"
    if broken:
        return str(broken)
    try:
        model.check(operation, trace)
    except Finding as error:
        return f"{error}; trace {trace}"
    return ""


def generated(seed: int, device: Any = None, length: int = LENGTH, nested: int = NESTED) -> Sequence:
    """The seed's operations, made for the model as it is; the end of it all is always a destroy.

    device: where, instead of the seed's simulated one (a board's, whose heap is a region).
    """
    buffer = device is not None or place_of(seed)[1] in ("pool", "region")
    found, model, generator = Sequence(seed), Model(), Generator(seed, nested, buffer)
    device = device or machines.simulated(*place_of(seed))
    for number in range(length):
        operation: Operation = ("destroy",) if number == length - 1 else generator.operation(model)
        found.operations.append(operation)
        if text := step(device, model, operation):
            found.finding = text
            break
    found.seen = model.seen
    return found


def replayed(seed: int, operations: list[Operation]) -> str:
    """What these operations find on a fresh device of the seed's."""
    device, model = machines.simulated(*place_of(seed)), Model()
    for operation in operations:
        if text := step(device, model, operation):
            return text
    return ""


def shrunk(seed: int, operations: list[Operation]) -> list[Operation]:
    """As few of them as still find something: pieces are taken out, of nested operations, too."""
    size = max(1, len(operations) // 2)
    while size:
        at = 0
        while at < len(operations):
            fewer = operations[:at] + operations[at + size :]
            if replayed(seed, fewer):
                operations = fewer
            else:
                at += size
        size //= 2
    return [_inside(seed, operations, at) for at in range(len(operations))]


def _inside(seed: int, operations: list[Operation], at: int) -> Operation:
    """That operation with as little as possible in its program."""
    operation = operations[at]
    if not isinstance(operation[-1], list):
        return operation
    for i, program in enumerate(operation[-1]):
        for k in reversed(range(len(program))):
            fewer = [*operation[-1][:i], operation[-1][i][:k] + operation[-1][i][k + 1 :], *operation[-1][i + 1 :]]
            smaller = (*operation[:-1], fewer)
            if replayed(seed, [*operations[:at], smaller, *operations[at + 1 :]]):
                operation = smaller
    operations[at] = operation
    return operation
