"""python -m tests.floats [--target T] [--randoms N] [--seed S] [--only TEXT]: everything, on every target
and, without --target, on real firmware in emulators.

Every difference is printed with its operands; --seed and --only repeat one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from insitu.sim import CPUS as TARGETS  # hazard3 has no emulator

from tests.floats import board, campaign
from tests.floats.compare import Report

Part = Callable[[], Iterator[tuple[str, Report]]]
_COMBINED = 20  # share of the random operands that a combination of instructions gets, and of the hard pairs


def _run(name: str, part: Part) -> tuple[str, Report, list[str], float]:
    """In a process of its own: the part's sum, and lines about operations that differ."""
    total, lines, start = Report(), [], time.monotonic()
    for operation, report in part():
        total.add(report)
        if report.different:
            lines.append(f"  {operation}: {report.different} of {report.results} differ")
            lines += [f"    {text}" for text in report.differences or []]
    return name, total, lines, time.monotonic() - start


def _parts(options: argparse.Namespace) -> Iterator[tuple[str, Part]]:
    seed, randoms, only = options.seed, options.randoms, options.only
    for target in options.target or TARGETS:
        yield f"{target}, instructions", partial(campaign.singles, target, seed, randoms, only=only)
        for group in campaign.GROUPS:
            few = randoms // _COMBINED
            yield f"{target}, {group}", partial(campaign.combined, target, group, seed, few, _COMBINED, only)
    for name in [] if options.target else board.BOARDS:
        yield f"{name}, instructions on its firmware", partial(board.on_firmware, name, seed, only=only)
    yield "the judge, against wasmtime and SoftFloat", partial(campaign.the_judge, seed, randoms // _COMBINED, only)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.floats")
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--randoms", type=int, default=1_000_000, help="random operands of each instruction")
    parser.add_argument("--seed", type=int, default=campaign.todays_seed(), help="what they are drawn from")
    parser.add_argument("--only", default="", metavar="TEXT", help="operations whose name holds it")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    different = results = 0
    with ProcessPoolExecutor(options.workers) as pool:
        running = [pool.submit(_run, name, part) for name, part in _parts(options)]
        for future in running:
            name, total, lines, seconds = future.result()
            print(f"{name}: {total.results:,} results, {total.different:,} differ, {seconds:.0f} s", flush=True)
            print("".join(f"{line}\n" for line in lines), end="")
            results, different = results + total.results, different + total.different
    print(f"{results:,} results, {different:,} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
