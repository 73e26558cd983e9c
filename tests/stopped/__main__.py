"""python -m tests.stopped [STOPS [WHERE...]]: calls that are stopped at random moments, in every way so many times.

STOPS: 1,000 unless said; the heap is whole after each, or the exit status 1. WHERE: a target with a board in QEMU, or
pico, in rp2040py; all unless said. Prints of each way how many stops there were, what failed, and what the last
one said.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor

from insitu.link.runner import DeviceError

from tests.firmware import BOARDS
from tests.stopped import boards

_PART = 50  # at a time, by a loop on the board


def _campaign(where: str, way: str, count: int) -> bool:
    start, failures, said = time.monotonic(), [], ""
    with boards.ready(where) as stops:
        for done in range(0, count, _PART):
            try:
                said = stops(way, min(_PART, count - done), done + 1)
            except DeviceError as error:
                failures.append(error.traceback)
    seconds = time.monotonic() - start
    print(f"{where}, {way}: {count} stops, {len(failures)} failures, {seconds:.0f} s; {said}", flush=True)
    for failure in failures:
        print(failure, flush=True)
    return not failures


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with ProcessPoolExecutor(2) as pool:
        campaigns = [
            pool.submit(_campaign, where, way, count)
            for where in sys.argv[2:] or [*BOARDS, boards.PICO]
            for way in boards.ways(where)
        ]
        return 0 if all([campaign.result() for campaign in campaigns]) else 1


if __name__ == "__main__":
    sys.exit(main())
