"""What a program sends by itself, with what it prints in between."""

from __future__ import annotations

import pytest
from insitu.telemetry import source

from tests.telemetry.test_peaks import Device

# As py/modmicropython.c and py/gc.c print it; sizes are in blocks of 16 bytes.
_INFO = b"""mem: total=1402, current=834, peak=1210
stack: 644 out of 40960
GC: total: 102400, used: 1664, free: 100736
 No. of 1-blocks: 22, 2-blocks: 6, max blk sz: 18, max free sz: 6281\r
"""


def test_the_largest_free_block_is_of_the_snapshot_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device("rv32imc")
    sent = bytearray()
    device.telemetry.send(device.runtime, sent.extend)
    frame = bytes(sent)
    pieces = iter([b"hello " + _INFO[:150], _INFO[150:] + frame[:20], frame[20:], frame, _INFO + frame])

    class Line:
        def __init__(self, port: str) -> None:
            assert port == "/dev/tty"

        def read(self) -> bytes:
            return next(pieces)

    monkeypatch.setattr(source, "Link", Line)
    heard = source.Heard("/dev/tty")
    found = [[entry.snapshot["micropython_heap"].get("largest_free") for entry in heard.take()] for _ in range(5)]
    assert found == [[], [], [6281 * 16], [None], [6281 * 16]]
