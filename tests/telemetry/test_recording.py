"""Recordings: what is kept is what came; what happened between two snapshots; curves; pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree

import pytest
from insitu.errors import InsituError
from insitu.telemetry import record
from insitu.telemetry.record import Entry, Recording

from tests.cli.conftest import Command, insitu, refused, wasm
from tests.telemetry.test_peaks import Device

__all__ = ["insitu", "wasm"]


@pytest.fixture
def recording() -> Recording:
    """An instance is called twice, the second time with less; then there is another one; then both are gone."""
    from insitu.telemetry.decode import decode

    device, made = Device("cortex-m4f"), Recording()

    def take(mark: str = "") -> None:
        made.add(len(made.entries), decode(device.telemetry.snapshot(device.runtime)), mark)

    take("instantiate")
    for depth in (400, 40):
        device.telemetry.reset_peaks()
        device.instance.exports.f(depth)
        take(f"f {depth}")
    other = device.instance.module.instantiate(stack_size=1024, imports={"env": {"ask": lambda: None}})
    take()
    other.deinstantiate()
    take()
    return made


def test_it_is_read_as_it_was_written(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record.write(path, recording)
    assert record.read(path) == recording


def test_a_last_line_that_was_cut_off(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record.write(path, recording)
    path.write_text(path.read_text()[:-100])
    assert record.read(path).entries == recording.entries[:-1]


@pytest.mark.parametrize("text", ["", "{}\n", '{"insitu_recording": 2}\n', "\x00"])
def test_no_recording(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(InsituError, match="is no recording"):
        record.read(path)


def test_a_line_that_is_none(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record.write(path, recording)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], '{"seconds": 1}', *lines[1:]]))
    with pytest.raises(InsituError, match=r"a\.jsonl:2 is no entry"):
        record.read(path)


def test_the_highest_of_each_peak(recording: Recording) -> None:
    peaks = [entry.snapshot["instances"][0]["aux_stack_peak"] for entry in recording.entries]
    assert peaks[:3] == [0, 400, 40]
    found = recording.highest()
    assert found["instances"][0]["aux_stack_peak"] == 400
    assert found["global_heap"]["used"] == recording.entries[-1].snapshot["global_heap"]["used"]


def test_what_happened(recording: Recording) -> None:
    told = [[*record.events(*pair)] for pair in zip([None, *recording.entries], recording.entries, strict=False)]
    marks = [["mark instantiate"], ["mark f 400"], ["mark f 40"]]
    assert told == [*marks, ["instance 1 was made"], ["instance 1 is gone"]]
    last = recording.entries[-1].snapshot
    later = deepcopy(last)
    later["instances"][0]["memory"] += 65536
    later["traps"] = {"count": last["traps"]["count"] + 2}
    size = f"{later['instances'][0]['memory']:,}"
    assert [*record.events(Entry(0, "", last), Entry(1, "end", later))] == [
        "mark end",
        f"instance 0: linear memory grew by 65,536 bytes to {size}",
        "2 traps",
    ]


def test_traps_are_counted() -> None:
    from insitu.telemetry.decode import decode

    device = Device("cortex-m4f")
    before = Entry(0, "", decode(device.telemetry.snapshot(device.runtime)))
    from insitu.port.errors import Trap

    with pytest.raises(Trap, match="stack overflow"):
        device.instance.exports.deep(1_000_000)
    assert [*record.events(before, Entry(1, "", decode(device.telemetry.snapshot(device.runtime))))] == ["1 trap"]


def test_a_call_and_its_mark() -> None:
    """telemetry.call gives what the function gives, and sends what it used."""
    from insitu.telemetry.decode import decode
    from insitu.telemetry.frames import Scanner

    device, sent = Device("cortex-m4f"), bytearray()
    device.instance.exports.f(700)
    device.telemetry.sys = type("sys", (), {"stdout": type("stdout", (), {"write": sent.extend})})
    try:
        assert device.telemetry.call(device.instance.exports.f, 300) == -1
    finally:
        import sys

        device.telemetry.sys = sys
    (body,), _ = Scanner().feed(bytes(sent))
    assert decode(body)["mark"] == "f"
    assert decode(body)["instances"][0]["aux_stack_peak"] == 300


@pytest.fixture
def kept(recording: Recording, tmp_path: Path) -> Path:
    path = tmp_path / "kept.jsonl"
    record.write(path, recording)
    return path


def test_a_picture_has_the_curves_and_the_marks(insitu: Command, kept: Path, tmp_path: Path) -> None:
    for suffix in (".svg", ".png"):
        done = insitu("mem", "--replay", kept, "--plot", tmp_path / f"a{suffix}")
        assert (done.status, done.out, done.err) == (0, "", "")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "a.svg").read_text()
    ElementTree.fromstring(text)
    for shown in ("global heap, used", "aux stack, peak", "f 400"):
        assert f"<!-- {shown} -->" in text  # matplotlib writes letters as shapes, and what they say beside them
    assert "app heap" not in text  # there is none
    refused(insitu("mem", "--replay", kept, "--plot", "a.gif"), "a.gif: a recording is drawn as .svg or .png")


def test_replayed_as_lines_and_as_a_table(insitu: Command, kept: Path, recording: Recording) -> None:
    lines = insitu("mem", "--replay", kept, "--json").out.splitlines()
    assert [json.loads(line) for line in lines] == [entry.snapshot for entry in recording.entries]
    assert " 400 " in insitu("mem", "--replay", kept).out  # the aux stack's peak, of all of it
    assert insitu("mem", "--replay", kept, "-b", "rpi_pico").status == 2
    assert insitu("mem", "--port", "/dev/none", "--record", kept).status == 2


def test_a_report_shows_a_recording(insitu: Command, kept: Path, wasm: Callable[..., Path]) -> None:
    app = wasm('(module (memory 1) (func (export "f")))')
    found = insitu("report", app, "-b", "rpi_pico", "--recording", kept, "--json").json["boards"][0]
    assert [entry["mark"] for entry in found["recording"]] == ["instantiate", "f 400", "f 40", "", ""]
    (aux,) = {pool["peak"] for pool in found["ram"]["pools"] if pool["pool"].strip() == "aux stack"}
    assert aux == 400


def test_wrong_replays(insitu: Command, tmp_path: Path) -> None:
    refused(insitu("mem", "--replay", tmp_path / "none"), "none: No such file or directory")


def test_an_empty_one_is_not_drawn(insitu: Command, tmp_path: Path) -> None:
    record.write(tmp_path / "empty", Recording())
    refused(insitu("mem", "--replay", tmp_path / "empty", "--plot", tmp_path / "a.svg"), "the recording is empty")
    refused(insitu("mem", "--replay", tmp_path / "empty"), "the recording is empty")
