"""python -m tests.threads [VALUES] [SCHEDULES]: a queue's producers and consumers as under wasmtime.

VALUES pass through it one by one, 100,000 unless said, on each simulated CPU and on a board in QEMU; fewer, with as
many orders of the threads' turns as SCHEDULES says, 200 unless said. The emulated Pico has a few of either. What else
the library has runs on each simulated CPU. Exit status 1 where one gives something else.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from insitu.board.boards import load_board

from tests.port.conftest import TARGETS, Device
from tests.threads import by_wasmtime, program

BOARD = "qemu_mps2_an385"
Run = Callable[[list[str], int], tuple[int, bytes]]


def given(random_: random.Random, values: int) -> list[str]:
    """Arguments of the program: so many values in all, as others share them out."""
    producers = random_.randint(1, 4)
    numbers = producers, random_.randint(1, 4), random_.randint(1, 4), values // producers, random_.randint(0, 5)
    return [str(number) for number in numbers]


def _compare(where: str, run: Run, values: int, schedules: int) -> bool:
    start, wrong = time.monotonic(), 0
    one_by_one = ["1", "1", "1", str(values), "0"]
    calls = [(one_by_one, 0)]
    calls += [(given(random.Random(seed), 60), seed) for seed in range(1, schedules + 1)]
    for arguments, seed in calls:
        found, wanted = run(arguments, seed), by_wasmtime.run(program.wasm("queue"), arguments)
        if found != wanted:
            wrong += 1
            print(f"{where}: {' '.join(arguments)}, order {seed}: {found}, wasmtime {wanted}")
    seconds = time.monotonic() - start
    print(f"{where}: {values} values and {schedules} orders, {wrong} differ from wasmtime, {seconds:.0f} s", flush=True)
    return not wrong


def simulated(target: str, values: int, schedules: int) -> bool:
    device = Device(target, 400_000)
    library = device.load_image(program.image("library", target))
    found = [program.simulate(device, library, [], seed) for seed in range(5)]
    if wrong := [result for result in found if result != program.LIBRARY]:
        print(f"{target}: the library: {wrong}")
    module = device.load_image(program.image("queue", target))
    run = partial(program.simulate, device, module)
    return _compare(target, run, values, schedules) and not wrong


def on_board(values: int, schedules: int) -> bool:
    with program.booted(load_board(BOARD)) as board:
        return _compare(BOARD, board.run, values, schedules)


def on_pico(values: int, schedules: int) -> bool:
    return _compare(program.PICO, program.on_pico, min(values, 100), min(schedules, 2))


def main() -> int:
    values, schedules = [*map(int, sys.argv[1:]), *(100_000, 200)[len(sys.argv) - 1 :]]
    with ProcessPoolExecutor(2) as pool:
        waiting = [pool.submit(on_board, values, schedules), pool.submit(on_pico, values, schedules)]
        waiting += [pool.submit(simulated, target, values, schedules) for target in TARGETS]
        return 0 if all([done.result() for done in waiting]) else 1


if __name__ == "__main__":
    sys.exit(main())
