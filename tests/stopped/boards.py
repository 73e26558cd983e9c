"""Calls that are stopped at random moments, on real firmware in emulators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Timer

from insitu.board.boards import load_board
from insitu.link.raw_repl import DeviceError, Link
from insitu.machine import emulated
from insitu.package.deploy import METHODS

from tests.firmware import Firmware, device_text
from tests.stopped.module import image

DEVICE = Path(__file__).with_name("device.py")
QEMU_WAYS = ("by_fuel", "by_an_import", "from_outside")  # that firmware has neither a clock nor timers
PICO_WAYS = (*QEMU_WAYS, "by_a_timer", "by_time")
_HEAP = 160_000
_PATIENCE = 3600.0


@contextmanager
def in_qemu(target: str) -> Iterator[Firmware]:
    """A board with the module, as `stopped`."""
    with Firmware(target, image(target), [DEVICE]) as firmware:
        firmware.run(f"stopped = Stopped({firmware.flash}, ({firmware.heap[0]}, {1 << 20}), 1)")
        firmware.run("def stop_here(way, count):\n return (stops(stopped, way, count),)\n")
        yield firmware


@contextmanager
def on_a_pico() -> Iterator[Link]:
    """A Raspberry Pi Pico with the module, as `stopped`."""
    board = load_board("rpi_pico")
    contents = [*METHODS["files"].contents(board), (board.image.address, image(board.target))]
    with emulated(board, contents) as machine, machine.link() as link:
        METHODS["files"].install(link, board)
        link.run(device_text(DEVICE.read_text()), timeout=_PATIENCE)
        link.run(f"stopped = Stopped({board.image.address}, bytearray({_HEAP}), 1)", timeout=_PATIENCE)
        yield link


def stop(link: Link, way: str, count: int) -> str:
    """So many calls; what is said of the last. Raises DeviceError where something is not as it was before."""
    return link.run(f"print(stops(stopped, {way!r}, {count}))", timeout=_PATIENCE).decode().strip()


def by_the_console(link: Link, count: int, random: Random) -> str:
    """The same with Ctrl-C, some time after the call has begun."""
    stop(link, "by_fuel", 1)  # what is imported for a poll is there then
    said = ""
    for _ in range(count):
        name = random.choice(("forever()", "fib(60)", "nest(-1, 3)"))
        timer = Timer(random.uniform(0.1, 1.0), link.write, (b"\x03",))

        def begun(printed: bytes, timer: Timer = timer) -> None:
            if printed.strip() and not timer.is_alive():
                timer.start()

        try:
            link.run(f"print(1)\nstopped.instance.exports.{name}", timeout=_PATIENCE, say=begun)
        except DeviceError as error:
            said = error.text
        timer.join()
        assert "stopped in function" in said, said
        link.run("stopped.whole()", timeout=_PATIENCE)
    return said
