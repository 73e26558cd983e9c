"""Flash is written while MicroPython runs, read back, and put back as it was."""

from __future__ import annotations

import base64
import random

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import WRITERS
from insitu.flash.write import verify
from insitu.flash.writer import Over, Target
from insitu.link.raw_repl import Link
from insitu.selftest.bench import Bench, Facts, Failed, Skipped

_SIZE = 4096  # bytes, at the start of the last sector of the image region
_READ = 512  # bytes at a time


def _writer(bench: Bench) -> str:
    names = [name for name in bench.board.writers if name in WRITERS and WRITERS[name].over is Over.LINK]
    if not names or not isinstance(bench.session.link, Link):
        raise Skipped(f"{bench.board.name}'s flash is not written over the serial line")
    if WRITERS[names[0]].whole:
        raise Skipped(f"{names[0]} writes all of it at once: the image was written so")
    return names[0]


def _content(bench: Bench, address: int) -> bytes:
    bench.session.run("import uctypes, binascii\n")
    pieces = (
        bench.value(f"binascii.b2a_base64(uctypes.bytearray_at({address + at}, {_READ}))")
        for at in range(0, _SIZE, _READ)
    )
    return b"".join(base64.b64decode(piece) for piece in pieces)


def _last_sector(board: Board) -> Region:
    if sectors := board.chip.sectors_in(board.image):
        return sectors[-1]
    return Region((board.image.end - _SIZE) // _SIZE * _SIZE, _SIZE)


def check(bench: Bench) -> Facts:
    """Random bytes; the image at the region's start is left alone. A writer may have reset the board."""
    name = _writer(bench)
    sector = _last_sector(bench.board)
    address = sector.address
    if address < bench.board.image.address + len(bench.session.data):
        raise Skipped("the image region has no sector behind the image")
    bench.session.run("from insitu.platform import count as _insitu_count\n")
    rest = sector.size - _SIZE  # of a sector that is erased as a whole
    if bench.value(f"_insitu_count({address + _SIZE}, {rest}, 0xff)") != rest:
        raise Skipped(f"something lies in the sector at {address:#010x}")
    before, pattern = _content(bench, address), random.Random(address).randbytes(_SIZE)
    assert isinstance(bench.session.link, Link)
    target = Target(bench.board, bench.session.link)
    for data in (pattern, before):
        WRITERS[name].write(target, address, data, lambda done, whole: None)
        try:
            verify(bench.session.link, address, data, bench.board.name)
        except InsituError as error:
            raise Failed(f"{_SIZE} bytes at {address:#010x}, written by {name}: {error}") from None
    verify(bench.session.link, bench.board.image.address, bench.session.data, bench.board.name)
    return {"writer": name, "bytes": _SIZE, "address": f"{address:#010x}"}
