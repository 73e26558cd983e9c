"""A process that compares systems one by one, and is replaced when it dies or hangs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from tests.fuzz.systems import compare, generate, machines
from tests.fuzz.systems.compare import Report
from tests.line_worker import LineWorker

TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "rv32imc")
SECONDS = 120


def place_of(seed: int) -> tuple[str, str]:
    """Target and kind of heap: each target a third of the seeds, each kind on every target."""
    return TARGETS[seed % len(TARGETS)], machines.KINDS[seed // len(TARGETS) % len(machines.KINDS)]


class Worker(LineWorker):
    """Use it in a `with`; compare() never raises for what a system does."""

    def __init__(self) -> None:
        super().__init__("tests.fuzz.systems.worker", SECONDS)

    def __enter__(self) -> Worker:
        super().__enter__()
        return self

    def compare(self, seed: int) -> Report:
        """The seed's system against wasmtime."""
        answer, wrong = self.ask(str(seed))
        return Report([wrong]) if wrong else Report(**json.loads(answer))


def main() -> None:
    for line in sys.stdin:
        seed = int(line)
        report = compare.differences(generate.system(seed), *place_of(seed))
        print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    main()
