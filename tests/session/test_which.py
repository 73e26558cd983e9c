"""The board at a port is known by what its firmware reports."""

from __future__ import annotations

import pytest
from insitu.board import boards
from insitu.errors import InsituError
from insitu.session import which


class _Line:
    """A serial line with a firmware that reports itself."""

    reported = ""

    def __init__(self, port: str) -> None:
        assert port == "/dev/ttyACM0"

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, _: str) -> bytes:
        return f"{self.reported}\r\n".encode()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> type[_Line]:
    monkeypatch.setattr(which, "Link", _Line)
    return _Line


def test_a_board(line: type[_Line]) -> None:
    line.reported = "Raspberry Pi Pico with RP2040"
    assert which.board_at("/dev/ttyACM0").name == "rpi_pico"


def test_no_two_boards_report_the_same() -> None:
    reports = [boards.load_board(name).firmware.reports for name in boards.names()]
    reports += [board.reports for board in boards.unsupported()]
    known = [text for text in reports if text and text != "mps2-an385 with Cortex-M3"]  # one firmware for three cores
    assert len(set(known)) == len(known)


@pytest.mark.parametrize(
    ("reported", "says"),
    [
        ("Generic ESP32S3 module with ESP32S3", "is esp32s3, which is not supported: no code for Xtensa"),
        ("mps2-an385 with Cortex-M3", "which may be qemu_mps2_an385, qemu_mps2_an386, qemu_mps2_an500: give -b BOARD"),
        ("toaster", 'says that it is "toaster", which is no board that insitu knows: give -b BOARD'),
    ],
)
def test_another(line: type[_Line], reported: str, says: str) -> None:
    line.reported = reported
    with pytest.raises(InsituError) as caught:
        which.board_at("/dev/ttyACM0")
    assert str(caught.value).startswith("the board at /dev/ttyACM0 ")
    assert says in str(caught.value)
