"""python -m tests.fuzz [--seeds N] [--first N] [--target T]: compare, shrink what differs, keep it as a regression.
python -m tests.fuzz --systems N [--seed-from K] [--workers W]: systems of several modules, see systems/.

Every module runs in a worker process: one that crashes or hangs is a failure of its seed and costs no other.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from insitu.aot.window import Wanted, parse

from tests.fuzz import generate
from tests.fuzz.shrink import keep
from tests.fuzz.systems.campaign import main as systems
from tests.fuzz.worker import TARGETS, Worker


class Campaign:
    """Counts, and what was found."""

    def __init__(self, first: int, seeds: int, targets: tuple[str, ...], rotate: bool, window: Wanted | None) -> None:
        self.rotate, self.window = rotate, window
        self.targets, self.last = targets, first + seeds
        self.next_seed = count(first)
        self.modules = self.runs = 0
        self.failures: list[tuple[int, str, list[str]]] = []

    def _targets_of(self, seed: int) -> tuple[str, ...]:
        return (self.targets[seed % len(self.targets)],) if self.rotate else self.targets

    def work(self) -> None:
        """Take seeds until none is left."""
        with Worker() as worker:
            for seed in iter(lambda: next(self.next_seed), None):
                if seed >= self.last:
                    return
                if not generate.module(seed):
                    continue
                self.modules += 1
                for target in self._targets_of(seed):
                    self.runs += 1
                    if wrong := worker.differences(seed, target, window=self.window):
                        self.failures.append((seed, target, wrong))
                        print(f"seed {seed} on {target}: {'; '.join(wrong)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--rotate", action="store_true", help="each module on one target only")
    parser.add_argument("--window", type=parse, metavar="SIZE|LOW:HIGH", help="build each module with such a window")
    parser.add_argument("--no-shrink", action="store_true", help="do not shrink and keep what differs")
    parser.add_argument("--systems", type=int, default=0, help="that many systems of several modules instead")
    parser.add_argument("--seed-from", type=int, default=0, metavar="K", help="the first system's seed")
    parser.add_argument("--workers", type=int, default=2, help="processes that compare systems")
    options = parser.parse_args()
    if options.systems:
        return systems(options.seed_from, options.systems, options.workers, not options.no_shrink)
    start = time.monotonic()
    campaign = Campaign(options.first, options.seeds, tuple(options.target or TARGETS), options.rotate, options.window)
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(campaign.work) for _ in range(2)]:
            future.result()
    for seed, target, _ in [] if options.no_shrink or options.window is not None else campaign.failures:
        print(f"seed {seed} on {target}: kept as {keep(seed, target)}")
    seconds = time.monotonic() - start
    print(f"{campaign.modules} modules, {campaign.runs} runs, {len(campaign.failures)} differ, {seconds:.0f} s")
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
