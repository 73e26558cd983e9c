"""python -m tests.flash.store [--cuts N] [--seed N]

Random sequences of what a program does with images in flash, the power cut at every single operation of each step:
afterwards each name stands for what it stood for before the step or after it, whole, and what can be gone back to is.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from insitu.port.update.images import Image, Images
from insitu.port.xip import layout

BASE = 0x08080000
UNIT = 32  # bytes that are programmed once between two erases: STM32H7's flash word (RM0433, 4.3.9)
# Blocks, bytes of one, bytes that a program call writes at once: two and three of the largest sectors of an STM32, its
# pages, the RP2040's sectors with pages of 256 bytes, NVMC's pages, and the smallest that any flash has.
GEOMETRIES = ((2, 131072, 32), (3, 131072, 32), (16, 4096, 32), (24, 4096, 256), (40, 1024, 32), (64, 256, 32))
_STEPS = 25
_HALF_ERASED = 20  # cuts of one erase, which leave different things
_NAMES = ("app", "net", "boot.verify")


class PowerCut(Exception):
    """From now on nothing is read or written."""


class Flash:
    """What images.py has for a board's flash, as NOR flash is: erasing sets bits, programming clears them.

    Attributes: left: operations (a unit programmed, a block erased) until the power goes within one; None: it stays.
    done: operations that were; erasing: whether the power went in an erase; erased: how often each block was.
    """

    def __init__(self, blocks: int, block: int, page: int, seed: int = 0) -> None:
        self.PLACE, self.PAGE = (BASE, blocks * block, block), page
        self.buffer = bytearray(min(4096, block))
        self.data = bytearray(b"\xff" * (blocks * block))
        self.erased = [0] * blocks
        self.left: int | None = None
        self.done = 0
        self.erasing = False
        self._random = random.Random(seed)

    def free(self) -> tuple[int, int]:
        return BASE, BASE + len(self.data)

    def view(self, address: int, size: int) -> bytes:
        at = address - BASE
        assert at >= 0 and at + size <= len(self.data), f"{size} bytes at {address:#x} are read"
        return bytes(self.data[at : at + size])

    def _cut(self) -> bool:
        """Whether the power goes now, within the operation."""
        self.done += 1
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0

    def erase(self, address: int) -> None:
        block, rest = divmod(address - BASE, self.PLACE[2])
        assert rest == 0
        at, end = block * self.PLACE[2], (block + 1) * self.PLACE[2]
        self.erased[block] += 1
        if self._cut():
            self.erasing = True
            self.data[at:end] = self._half_erased(bytes(self.data[at:end]))
            raise PowerCut
        self.data[at:end] = b"\xff" * (end - at)

    def _half_erased(self, old: bytes) -> bytes:
        """First all is programmed, then bits are set, here and there or from either end on."""
        size, bits = len(old), int.from_bytes(old, "little")
        kind, at = self._random.randrange(5), self._random.randrange(len(old) + 1)
        some = int.from_bytes(self._random.randbytes(size), "little")
        few = some & int.from_bytes(self._random.randbytes(size), "little")
        if kind == 3:
            return b"\xff" * at + old[at:]
        if kind == 4:
            return old[:at] + b"\xff" * (size - at)
        return ((bits & some, bits | some, bits | few)[kind]).to_bytes(size, "little")

    def program(self, address: int, start: int, end: int) -> None:
        assert start % self.PAGE == end % self.PAGE == (address - BASE) % self.PLACE[2] % len(self.buffer) == 0
        for first in range(start, end, UNIT):
            at = address - BASE + first
            old, new = self.data[at : at + UNIT], self.buffer[first : first + UNIT]
            if old == new:
                assert self.PAGE > UNIT or old == b"\xff" * UNIT
                continue
            assert old == b"\xff" * UNIT, f"the unit at {at:#x} is programmed twice"
            if self._cut():
                torn = self._random.randbytes(UNIT)
                self.data[at : at + UNIT] = bytes(n | t for n, t in zip(new, torn, strict=True))
                raise PowerCut
            self.data[at : at + UNIT] = new


def image(rng: random.Random, size: int) -> bytes:
    """Bytes with the header of an image, whose CRC is right."""
    head = bytearray(rng.randbytes(max(size, layout.HEADER_SIZE)))
    fields = {
        layout.IMAGE_MAGIC: layout.MAGIC,
        layout.IMAGE_SIZE: len(head),
        layout.IMAGE_SIZE_INVERTED: ~len(head) & 0xFFFFFFFF,
    }
    for at, word in fields.items():
        struct.pack_into("<I", head, at, word)
    struct.pack_into("<I", head, layout.IMAGE_CRC, zlib.crc32(head[layout.IMAGE_CRC + 4 :]))
    return bytes(head)


class Module:
    def __init__(self, base: int) -> None:
        self.base = base


class Runtime:
    """What loads: nothing of an image is looked at here."""

    def load(self, address: int, name: str) -> Module:
        return Module(address)


def restart(flash: Flash) -> Images:
    """After a reset."""
    Images.loaded[:], Images.started[:], Images.writer = [], [], None
    flash.left = None
    return Images(flash)


@dataclass
class Sequence:
    """Attributes: most: bytes of an image; contents: of each ever written; log: what was done, for a failure."""

    flash: Flash
    rng: random.Random
    most: int
    contents: dict[tuple[str, int], bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    cuts: int = 0

    def stands_for(self, images: Images) -> dict[str, int]:
        """Each name's version, after everything that is there was compared with what was written."""
        found: dict[str, int] = {}
        for one in images.found():
            assert self.flash.view(one.address, one.size) == self.contents[one.name, one.version], self.log
            found.setdefault(one.name, one.version)
        return found

    def choose(self, images: Images) -> tuple[str, Callable[[Images], None]]:
        """Something to do, its words for the log."""
        name, known = self.rng.choice(_NAMES), images.found()
        names = sorted({one.name for one in known})
        kind = self.rng.choice(("add", "add", "add", "start", "start", "remove"))
        if kind == "add" or not names:
            version, starts = 1 + max((v for n, v in self.contents if n == name), default=0), self.rng.choice((0, 0, 2))
            data = image(self.rng, self.rng.randrange(200, self.most))
            self.contents[name, version] = data
            return f"add {name} {version}, {len(data)} bytes, {starts} starts", lambda i: _add(
                i, name, version, data, starts
            )
        name = self.rng.choice(names)
        if kind == "remove":
            return f"remove {name}", lambda i: i.remove(name)
        good = self.rng.random() < 0.5
        return f"start {name}{good * ', and it is good'}", lambda i: _start(i, name, good)

    def step(self) -> None:
        """One, cut at each operation; then without a cut, or after one."""
        images = restart(self.flash)
        words, act = self.choose(images)
        self.log.append(words)
        before, kept = self.stands_for(images), _to_go_back_to(images)
        old = bytes(self.flash.data), list(self.flash.erased)
        full, after = self._whole(act)
        allowed = [before, after]
        if words.startswith("start"):  # what is cut before it confirms may have been the last start of its trial
            self._restore(old)
            allowed.append(self._whole(lambda i: _start(i, words.split()[1].rstrip(","), good=False))[1])
        for left in range(full):
            self.flash.erasing = False
            for _ in range(_HALF_ERASED):
                self._restore(old)
                self._cut(act, left)
                found = restart(self.flash)
                now = self.stands_for(found)
                assert now in allowed, (self.log, left, now, allowed)
                there = {(one.name, one.version) for one in found.found()}
                gone = {words.split()[1]} if words.startswith("remove") else set()
                assert all(one in there or one[0] in gone for one in kept), (self.log, left, kept, there)
                if not self.flash.erasing:
                    break
        if not full or self.rng.random() < 0.7:  # else it goes on from what the last cut left
            self._restore(old)
            self._whole(act)

    def _cut(self, act: Callable[[Images], None], left: int) -> None:
        self.flash.left = left
        try:
            act(Images(self.flash))
        except PowerCut:
            self.cuts += 1
        else:
            raise AssertionError("the power did not go")

    def _whole(self, act: Callable[[Images], None]) -> tuple[int, dict[str, int]]:
        """Operations without a cut, and what each name stands for then."""
        images, before = restart(self.flash), self.flash.done
        try:
            act(images)
        except OSError as error:
            assert "no room in flash" in str(error), self.log
        return self.flash.done - before, self.stands_for(restart(self.flash))

    def _restore(self, old: tuple[bytes, list[int]]) -> None:
        restart(self.flash)
        self.flash.data[:], self.flash.erased[:] = old


def _to_go_back_to(images: Images) -> set[tuple[str, int]]:
    """What each name stands for, where it is no trial's."""
    first: dict[str, Image] = {}
    for one in images.found():
        if one.confirmed():
            first.setdefault(one.name, one)
    return {(one.name, one.version) for one in first.values()}


def _add(images: Images, name: str, version: int, data: bytes, starts: int) -> None:
    writer = images.begin(name, len(data), version, starts)
    for at in range(0, len(data), 1000):
        writer.write(data[at : at + 1000])
    writer.end()


def _start(images: Images, name: str, good: bool) -> None:
    images.load(Runtime(), name)
    if good:
        images.confirm(name)


def sequence(seed: int, steps: int, most: int = 0) -> Sequence:
    """One; its flash is one of GEOMETRIES in turn. most: bytes of an image; 0: a fifth of the flash."""
    blocks, block, page = GEOMETRIES[seed % len(GEOMETRIES)]
    found = Sequence(Flash(blocks, block, page, seed), random.Random(seed), most or blocks * block // 5)
    for _ in range(steps):
        found.step()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flash.store", description=__doc__)
    parser.add_argument("--cuts", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0, help="of the first sequence; the others' follow")
    options = parser.parse_args()
    start = time.monotonic()
    seed, cuts = options.seed, 0
    while cuts < options.cuts:
        cuts += sequence(seed, _STEPS).cuts
        seed += 1
    seconds = time.monotonic() - start
    print(f"{cuts} power cuts in {seed - options.seed} sequences of {_STEPS} steps in {seconds:.0f} s: 0 losses")
    return 0


if __name__ == "__main__":
    sys.exit(main())
