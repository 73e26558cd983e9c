"""What a board reads in its own memory."""

from __future__ import annotations

from insitu.link.runner import Runner

_CHECKED = 65536  # bytes that a board sums up at a time


def device_crc(link: Runner, address: int, size: int) -> int:
    """CRC-32 of size bytes at address, as the board behind link reads them."""
    code = (
        "import uctypes, binascii\n"
        f"c, a, n = 0, {address}, {size}\n"
        "while n > 0:\n"
        f"  m = min(n, {_CHECKED})\n"
        "  c = binascii.crc32(uctypes.bytearray_at(a, m), c)\n"
        "  a += m\n"
        "  n -= m\n"
        "print(c & 0xffffffff)\n"
    )
    return int(link.run(code))


def device_words(link: Runner, *addresses: int) -> list[int]:
    """The words at these addresses, as the board behind link reads them."""
    said = link.run(f"import machine\nprint(*(machine.mem32[at] & 0xffffffff for at in {addresses}))\n")
    return [int(word) for word in said.split()]
