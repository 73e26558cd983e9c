"""Many systems, and what came of them."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from tests.fuzz.systems import generate, shrink
from tests.fuzz.systems.worker import Worker, place_of


class Campaign:
    """Counts over a run of seeds.

    Attributes:
        ends: why comparing ended, by how often; failures: (seed, what differs).
    """

    def __init__(self, first: int, systems: int) -> None:
        self.last = first + systems
        self._next = count(first)
        self.ends: Counter[str] = Counter()
        self.steps = 0
        self.failures: list[tuple[int, list[str]]] = []

    def run(self, workers: int) -> None:
        """Until no seed is left."""
        with ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(self._work) for _ in range(workers)]:
                future.result()

    def _work(self) -> None:
        with Worker() as worker:
            for seed in iter(lambda: next(self._next), None):
                if seed >= self.last:
                    return
                report = worker.compare(seed)
                self.steps += report.steps
                if report.wrong:
                    self.failures.append((seed, report.wrong))
                    print(f"system {seed} on {' '.join(place_of(seed))}: {'; '.join(report.wrong)}", flush=True)
                else:
                    self.ends[report.end] += 1


def main(first: int, systems: int, workers: int, keep: bool) -> int:
    """Exit status: 1 where something differs. keep: what differs is made small and kept as a regression."""
    start = time.monotonic()
    campaign = Campaign(first, systems)
    campaign.run(workers)
    for seed, _ in campaign.failures if keep else ():
        system = shrink.shrink(generate.system(seed), *place_of(seed))
        print(f"system {seed}: kept as {shrink.keep(str(seed), *place_of(seed), system)}")
    ends = ", ".join(f"{number} {end}" for end, number in campaign.ends.most_common())
    seconds = time.monotonic() - start
    print(
        f"{systems} systems from {first}, {campaign.steps} steps compared, {len(campaign.failures)} differ"
        f" ({ends}), {seconds:.0f} s"
    )
    return 1 if campaign.failures else 0
