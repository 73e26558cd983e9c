"""python -m tests.flash [--writes N] [--seed N] [--on model|microbit]

Random images written by the board itself, the power cut at a random operation; what must not change is compared after
each, and what is there must be whole or no image.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.flash import cuts, microbit


def _on_models(seeds: range) -> Counter[str]:
    return Counter(cuts.one_cut(cuts.BOARDS[seed % len(cuts.BOARDS)], seed) for seed in seeds)


def _on_microbit(seeds: range) -> Counter[str]:
    found, image = Counter[str](), None
    with microbit.booted() as link:
        untouched = microbit.around(link)
        for seed in seeds:
            image = microbit.one_cut(link, seed, image, untouched)
            found["none" if image is None else "whole"] += 1
    return found


_PLACES = {"model": _on_models, "microbit": _on_microbit}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flash", description=__doc__)
    parser.add_argument("--writes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first write; the others' follow")
    parser.add_argument("--on", choices=_PLACES, action="append", help="one of them; both unless given")
    options = parser.parse_args()
    for place in options.on or _PLACES:
        start = time.monotonic()
        found = _PLACES[place](range(options.seed, options.seed + options.writes))
        images = ", ".join(f"{kind} {count}" for kind, count in sorted(found.items()))
        print(f"{place}: {options.writes} writes in {time.monotonic() - start:.0f} s, images: {images}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
