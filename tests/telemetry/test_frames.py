"""Telemetry frames on a line that carries other things, too: found, and never taken for what they are not."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insitu.errors import InsituError
from insitu.telemetry.decode import decode
from insitu.telemetry.frames import Scanner

# docs/SPEC.md, and not frames.py: what the bytes must be.
START, END, ESCAPE, FLIP = b"\xc1\xf5", b"\xc0", 0xFE, 0x20
MUST_ESCAPE = {0xC1, 0xF5, 0xC0, 0xFE, 3, 4, 10, 13}


def stuffed(body: bytes, crc: int | None = None) -> bytes:
    """A frame by the specification."""
    body += struct.pack("<I", zlib.crc32(body) if crc is None else crc)
    out = b"".join(bytes((ESCAPE, b ^ FLIP)) if b in MUST_ESCAPE else bytes((b,)) for b in body)
    return START + out + END


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """data cut at places."""
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(at)]


def scan(parts: list[bytes]) -> tuple[list[bytes], bytes]:
    """All bodies and all other output of bytes that come in parts."""
    scanner, bodies, other = Scanner(), [], b""
    for part in parts:
        found, rest = scanner.feed(part)
        bodies += found
        other += rest
    return bodies, other


bodies = st.binary(min_size=1, max_size=80)
# What programs print is UTF-8, which has neither mark.
texts = st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace"))
# Anything but a whole frame; half frames and single marks are likelier than chance makes them.
noise = st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([START, START[:1], END, b"\xfe"])), max_size=8).map(
    b"".join
)
cuts = st.lists(st.integers(0, 1000), max_size=8)


@given(st.lists(st.tuples(texts, bodies), max_size=4), texts, cuts)
def test_frames_among_text(parts: list[tuple[bytes, bytes]], last: bytes, places: list[int]) -> None:
    line = b"".join(text + stuffed(body) for text, body in parts) + last
    assert scan(pieces(line, places)) == ([body for _, body in parts], b"".join(text for text, _ in parts) + last)


@given(noise, bodies, texts, cuts)
def test_a_frame_after_noise(before: bytes, body: bytes, after: bytes, places: list[int]) -> None:
    """Noise that is no frame hides none, be it the beginning of one that was cut off; and stays as it was."""
    if before.endswith(b"\xc1"):
        before += b"."
    found, other = scan(pieces(before + stuffed(body) + after, places))
    assert found == [body]
    assert other == before + after


@given(bodies, st.integers(1, 0xFFFFFFFF), cuts)
def test_a_wrong_crc_is_no_frame(body: bytes, wrong: int, places: list[int]) -> None:
    line = stuffed(body, zlib.crc32(body) ^ wrong)
    found, other = scan([*pieces(line, places), b" "])
    assert found == []
    assert other == line + b" "


@given(bodies, st.integers(2, 200), st.integers(0, 7))
def test_a_flipped_bit_is_no_other_frame(body: bytes, at: int, bit: int) -> None:
    line = bytearray(stuffed(body))
    line[at % len(line)] ^= 1 << bit
    found, _ = scan([bytes(line), stuffed(b"next")])
    assert found in ([b"next"], [body, b"next"])  # the same body where the flip hit an escape that need not be


@given(st.binary(max_size=400), cuts)
def test_arbitrary_bytes(line: bytes, places: list[int]) -> None:
    found, other = scan(pieces(line, places))
    assert found == []
    assert line.startswith(other)


@given(bodies)
def test_what_the_device_sends_is_by_the_specification(body: bytes) -> None:
    from insitu.port.host.telemetry import frame

    sent = frame(body)
    assert sent == stuffed(body)
    assert not MUST_ESCAPE - {ESCAPE} & set(sent[2:-1])


def test_a_start_without_an_end_is_not_kept_for_ever() -> None:
    scanner = Scanner()
    scanner.feed(START)
    for _ in range(200):
        found, _ = scanner.feed(b"x" * 1000)
        assert found == []
    assert scanner.feed(stuffed(b"late"))[0] == [b"late"]


@pytest.mark.parametrize("version", [0, 1, 255])
def test_another_version(version: int) -> None:
    with pytest.raises(InsituError, match=f"telemetry version {version} from the device, this insitu reads 3"):
        decode(bytes((version,)))


@pytest.mark.parametrize(
    "body", [b"", b"\x03\x01", b"\x03\x05" + bytes(7), b"\x03\x63", b"\x03\x00", b"\x03\x06", b"\x03\x06\x02a"]
)
def test_records_that_are_not_whole_or_not_known(body: bytes) -> None:
    with pytest.raises(InsituError, match="telemetry"):
        decode(body)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_noisy_line(seed: int) -> None:
    """`python -m tests.telemetry` has 100,000 frames: none is accepted that nobody sent, none that is whole is lost."""
    from tests.telemetry.noise import run

    found = run(1000, seed)
    assert (found.wrong, found.lost) == ([], 0)
    assert found.damaged > 300
