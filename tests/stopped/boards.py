"""Calls that are stopped at random moments, on real firmware in emulators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Timer

from insitu.board.boards import load_board
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.package.deploy import METHODS

from tests.firmware import Firmware, device_text
from tests.stopped.module import image

DEVICE = Path(__file__).with_name("device.py")
PICO = "pico"
_CONSOLE = "by_the_console"
_QEMU_WAYS = ("by_fuel", "by_an_import", "from_outside")  # that firmware has neither a clock nor timers
_PICO_WAYS = (*_QEMU_WAYS, "by_a_timer", "by_time", _CONSOLE)
_HEAP = 80_000  # of which MicroPython's collector scans every word
_TURNS, _PICO_TURNS = 100_000, 2_000  # rp2040py makes some 100,000 in a second
_PATIENCE = 3600.0

# Way, how often, seed of the moments: what is said of the last. Raises DeviceError where anything is not as before.
Stops = Callable[[str, int, int], str]


def ways(where: str) -> tuple[str, ...]:
    return _PICO_WAYS if where == PICO else _QEMU_WAYS


@contextmanager
def ready(where: str) -> Iterator[Stops]:
    """A target's board in QEMU, or a Pico, that stops calls."""
    with _on_a_pico() if where == PICO else _in_qemu(where) as stops:
        yield stops


@contextmanager
def _in_qemu(target: str) -> Iterator[Stops]:
    with Firmware(target, image(target), [DEVICE]) as firmware:
        firmware.run(f"stopped = Stopped({firmware.flash}, ({firmware.heap[0]}, {1 << 20}), 1, {_TURNS})")
        firmware.run("def said(way, count):\n return 'stopped', stops(stopped, way, count)\n")

        def stops(way: str, count: int, seed: int) -> str:
            firmware.run(f"stopped.seed = {seed}")
            ((said, text),) = firmware.answers("said", [(way, count)])
            if said == "exception":
                raise DeviceError(text)
            return str(text)

        yield stops


@contextmanager
def _on_a_pico() -> Iterator[Stops]:
    board = load_board("rpi_pico")
    contents = [*METHODS["files"].contents(board), (board.image.address, image(board.target))]
    with emulated(board, contents) as machine, machine.link() as link:
        METHODS["files"].install(link, board)
        link.run(device_text(DEVICE.read_text()), timeout=_PATIENCE)
        link.run(f"stopped = Stopped({board.image.address}, bytearray({_HEAP}), 1, {_PICO_TURNS})", timeout=_PATIENCE)

        def stops(way: str, count: int, seed: int) -> str:
            if way == _CONSOLE:
                return _by_the_console(link, count, Random(seed))
            program = f"stopped.seed = {seed}\nprint(stops(stopped, {way!r}, {count}))"
            return link.run(program, timeout=_PATIENCE).decode().strip()

        yield stops


def _by_the_console(link: Link, count: int, random: Random) -> str:
    """The same with Ctrl-C, some time after the call has begun."""
    link.run("stops(stopped, 'by_fuel', 1)", timeout=_PATIENCE)  # what is imported for a poll is there then
    stopped: list[DeviceError] = []
    while len(stopped) < count:
        name = random.choice(("forever()", "fib(60)", "nest(-1, 3)"))
        error = _interrupted(link, name, random.uniform(0.1, 1.0))
        if "stopped in function" in error.text:
            stopped.append(error)
        elif error.kind != "KeyboardInterrupt" or "serve" in error.traceback:
            raise error  # else it came before the call's machine code began
        link.run("stopped.whole()", timeout=_PATIENCE)
    return stopped[-1].text


def _interrupted(link: Link, call: str, after: float) -> DeviceError:
    """What a call of the module ends with, that many seconds after which Ctrl-C comes."""
    timer = Timer(after, link.write, (b"\x03",))

    def begun(printed: bytes) -> None:
        if printed.strip() and not timer.is_alive():
            timer.start()

    try:
        link.run(f"print(1)\nstopped.instance.exports.{call}", timeout=_PATIENCE, say=begun)
    except DeviceError as error:
        return error
    finally:
        timer.join()
    raise AssertionError(f"{call} has ended")
