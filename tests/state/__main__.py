"""python -m tests.state --steps N [--seed K]: until so many operations were made, those inside imports counted."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.state.run import generated, place_of, shrunk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.state")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first sequence")
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="how often each operation and each outcome was")
    options = parser.parse_args()
    start, seed, steps, findings = time.monotonic(), options.seed, 0, 0
    seen: Counter[str] = Counter()
    while steps < options.steps:
        sequence = generated(seed)
        steps += sequence.steps
        seen += sequence.seen
        if sequence.finding:
            findings += 1
            print(f"sequence {seed} on {' '.join(place_of(seed))}: {sequence.finding}", flush=True)
            if not options.no_shrink:
                for operation in shrunk(seed, sequence.operations):
                    print(f"    {operation}", flush=True)
        seed += 1
    if options.verbose:
        for name, number in sorted(seen.items()):
            print(f"{number:7} {name}")
    seconds = time.monotonic() - start
    print(f"{steps} steps in {seed - options.seed} sequences, {findings} findings, {seconds:.0f} s")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
