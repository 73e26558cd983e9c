"""python -m tests.awaited [CANCELS]: so many calls given up at random moments on each simulated CPU, 1,000 unless
said, and as many interleaved ones; exit status 1 where one gave something else or left something."""

from __future__ import annotations

import sys
from random import Random

from tests.awaited import tasks
from tests.awaited.campaign import cancel_at_random
from tests.port.conftest import TARGETS, Device


def _interleaved(device: Device, count: int, random: Random) -> None:
    module = device.load_image(tasks.image(device.target))
    instance, plain = tasks.instantiate(module, True), tasks.instantiate(module, False)
    before = tasks.state(instance)
    calls = [tasks.random_call(random) for _ in range(count)]
    wanted = [getattr(plain.exports, name)(*arguments) for name, arguments in calls]
    assert tasks.interleave(instance, calls, random) == wanted
    assert tasks.state(instance) == before


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for target in TARGETS:
        cancelled = cancel_at_random(Device(target), count, Random(count))
        _interleaved(Device(target), count, Random(count))
        print(f"{target}: {cancelled} calls given up, {count} interleaved, the heap whole")


if __name__ == "__main__":
    main()
