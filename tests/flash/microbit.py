"""nRF51's flash controller in QEMU's micro:bit, written by the board itself; the power is cut at a random access."""

from __future__ import annotations

import base64
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from insitu import places
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.flash import device
from insitu.flash.store import OnBoard
from insitu.flash.writer import Target
from insitu.link.memory import device_crc
from insitu.link.raw_repl import Link
from insitu.machine.process import start_process
from insitu.steps import silent

from tests.flash import cuts

BOARD = load_board(str(Path(__file__).with_name("microbit.toml")))
# The sizes that ports/qemu's linker script for it has.
_SIZES = ["-global", "nrf51-soc.flash-size=1048576", "-global", "nrf51-soc.sram-size=262144"]
_QUIET = ["-semihosting", "-display", "none", "-monitor", "none", "-serial", "pty"]
# QEMU's flash is zeros at first: all from the page before the image region on is erased, and a pattern is programmed.
_PREPARE = """
from machine import mem32
CONFIG, ERASEPAGE = 0x4001E504, 0x4001E508
mem32[CONFIG] = 2
for page in range({first}, {end}, 1024): mem32[ERASEPAGE] = page
mem32[CONFIG] = 1
for at in range({filesystem}, {end}, 64): mem32[at] = at * 40503 & 0xffffff
mem32[CONFIG] = 0
"""
_CUT = """
class _Cut:
    def __init__(self, memory, left):
        self.memory, self.left = memory, left
    def __getitem__(self, address):
        return self.memory[address]
    def __setitem__(self, address, value):
        if not self.left:
            raise OSError("power cut")
        self.left -= 1
        self.memory[address] = value
mem32 = _Cut(mem32, {left})
"""
_MOST = 4096  # bytes of an image: its serial line takes some 3 KB/s
# What a reset does to the controller.
_RESET = "from machine import mem32\nmem32[0x4001E504] = 0\n"


@contextmanager
def booted() -> Iterator[Link]:
    """The board, with random bytes where a file system would be."""
    firmware = places.firmware(BOARD, ".elf")
    assert firmware.exists(), f"python3 firmware/micropython.py {Path(__file__).with_name('microbit.toml')}"
    with ExitStack() as stack:
        command = ["qemu-system-arm", "-M", "microbit", *_SIZES, *_QUIET, "-kernel", str(firmware)]
        process = start_process(command, stack, errors=subprocess.STDOUT)
        assert process.stdout is not None
        found = re.search(r"redirected to (\S+)", process.stdout.readline())
        assert found
        with Link(found[1]) as link:
            filesystem = BOARD.filesystem
            assert filesystem is not None
            first = BOARD.image.address - 1024
            link.run(_PREPARE.format(first=first, end=filesystem.end, filesystem=filesystem.address))
            yield link


def around(link: Link) -> tuple[int, int]:
    """CRCs of all flash before the image region and of all behind."""
    end = BOARD.image.end
    return device_crc(link, 0, BOARD.image.address), device_crc(link, end, BOARD.chip.flash.end - end)


def _image_region(link: Link, size: int) -> bytes:
    link.run("import uctypes, binascii")
    at = BOARD.image.address
    pieces = [
        link.run(f"print(binascii.b2a_base64(uctypes.bytearray_at({at + i}, 2048)).decode())")
        for i in range(0, size, 2048)
    ]
    return b"".join(map(base64.b64decode, pieces))


def one_cut(link: Link, seed: int, before: bytes | None, untouched: tuple[int, int]) -> bytes | None:
    """A write over what the last one left; the image that is there afterwards. AssertionError for anything else."""
    rng = random.Random(seed)
    new = rng.choice([image for image in cuts.images() if len(image) < _MOST])
    # of each page: three registers; of each word: one access; a register each before and after what is programmed
    pages, accesses = -(-len(new) // 1024), len(new) // 4 + 64
    left = rng.randrange(3 * pages + accesses + accesses // 10)
    with pytest.MonkeyPatch.context() as patch:
        whole = device.program(BOARD) + _CUT.format(left=left)
        patch.setattr(device, "program", lambda _: whole)
        try:
            device.write(Target(BOARD, link), BOARD.image.address, new, silent)
            cut = False
        except InsituError as error:
            assert "power cut" in str(error)
            cut = True
    link.run(_RESET)
    assert around(link) == untouched
    found = cuts.left(_image_region(link, _MOST))
    assert found == new if not cut else found in (None, new) or (found == before and left <= 3)
    return found


def store_cut(link: Link, board: OnBoard, seed: int) -> bool:
    """A named image written over the serial line, the power cut at a random access; whether it went.

    AssertionError unless the name stands for what it did before, or for the new one.
    """
    rng = random.Random(seed)
    before = _states(board)
    data = compile_wasm(b"\0asm\1\0\0\0", BOARD.target) + bytes(rng.choice((0, 900)))
    # of each unit eight words and two registers; of a page three; and some for what is known of the image
    link.run(f"from machine import mem32\n{_CUT.format(left=rng.randrange(len(data) // 3 + 120))}")
    try:
        board.add(data, "app", None, 0)
        cut = False
    except InsituError as error:
        assert "power cut" in str(error)
        cut = True
    link.run(_RESET)
    after = _states(board)
    now, was = after[:1], before[:1]
    assert now == was or (now and now[0][1] > (was[0][1] if was else 0))
    assert cut or now != was
    return cut


def _states(board: OnBoard) -> list[tuple[str, int]]:
    return [(row.name, row.version) for row in board.rows()]
