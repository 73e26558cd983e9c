"""The image in flash is the one that was built."""

from __future__ import annotations

import zlib

from insitu.link.memory import device_crc
from insitu.selftest.bench import Bench, Facts, Failed, Skipped


def check(bench: Bench) -> Facts:
    """Read all of it back."""
    if bench.session.sim:
        raise Skipped("the simulated CPU has no flash")
    data, address = bench.session.data, bench.board.image.address
    crc = device_crc(bench.session.link, address, len(data))
    if crc != zlib.crc32(data):
        raise Failed(f"at {address:#010x} the board reads CRC {crc:#010x}, not {zlib.crc32(data):#010x}")
    return {"bytes": len(data), "address": f"{address:#010x}"}
