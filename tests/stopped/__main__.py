"""python -m tests.stopped [STOPS [WHERE...]]: calls that are stopped at random moments, in every way so many times.

STOPS: 1,000 unless said; the heap is whole after each, or the exit status 1. WHERE: a target with a board in QEMU, or
pico, in rp2040py; all unless said.
"""

from __future__ import annotations

import sys
from random import Random

from tests.firmware import BOARDS
from tests.stopped import boards

_PART = 50  # at a time, of which something is heard afterwards


def _qemu(target: str, count: int) -> None:
    with boards.in_qemu(target) as firmware:
        for way in boards.QEMU_WAYS:
            parts = [(way, _PART)] * (count // _PART) + [(way, count % _PART)] * (count % _PART > 0)
            said = [firmware.answers("stop_here", [part])[0][0] for part in parts]
            print(f"{target}, {way}: {count}; {said[-1]}", flush=True)


def _pico(count: int) -> None:
    with boards.on_a_pico() as link:
        for way in boards.PICO_WAYS:
            print(f"pico, {way}: {count}; {boards.stop(link, way, count)}", flush=True)
        print(f"pico, by the console: {count}; {boards.by_the_console(link, count, Random(1))}", flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for where in sys.argv[2:] or [*BOARDS, "pico"]:
        if where == "pico":
            _pico(count)
        else:
            _qemu(where, count)


if __name__ == "__main__":
    main()
