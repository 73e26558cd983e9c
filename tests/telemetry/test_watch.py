"""The screen of `insitu mem --watch`: what it shows of snapshots, and what its keys do."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from insitu.telemetry import record, watch
from insitu.telemetry.decode import decode
from insitu.telemetry.record import Entry
from rich.console import Console

from tests.telemetry.test_peaks import Device


class Played:
    """Snapshots of a device that does things between them, one each time. Attributes: resets: how often r was heard."""

    name, resets, left_out = "a device", True, 2

    def __init__(self, press: Callable[[int], object] = lambda _: None) -> None:
        """press: is told how many there were."""
        self._press = press
        self.device, self.times, self.reset = Device("rv32imc"), 0, 0
        self.steps = iter(
            [
                lambda: None,
                lambda: self.device.instance.exports.f(900),
                lambda: self.device.runtime.malloc(6000),
                lambda: None,
            ]
        )

    def take(self) -> list[Entry]:
        step = next(self.steps, None)
        if step is None:
            raise EOFError
        step()
        self._press(self.times)
        self.times += 1
        return [Entry(self.times, "", decode(self.device.telemetry.snapshot(self.device.runtime)))]

    def reset_peaks(self) -> None:
        self.reset += 1
        self.device.telemetry.reset_peaks(self.device.runtime)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where keys are pressed: the other end of stdin."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as file:
        monkeypatch.setattr("sys.stdin", file)
        yield master
    os.close(master)


def test_bars_and_curves() -> None:
    assert watch.bar(300, 100, 200).plain == "█" * 10 + "▒" * 10 + "·" * 10
    assert watch.bar(1000, 1, 1000).plain == "█" + "▒" * 29
    assert watch.bar(300, None, 10).plain == "▒" + "·" * 29
    assert watch.curve([0, 50, 100, 1], 100) == " ▄█▁"
    assert len(watch.curve([1] * 1000, 10)) == 24


def test_pools_and_events_are_shown() -> None:
    source = Played()
    screen = watch.Screen(source)
    for _ in range(4):
        for entry in source.take():
            screen.take(entry)
    other = source.device.instance.module.instantiate(stack_size=1024, imports={"env": {"ask": lambda: None}})
    found = decode(source.device.telemetry.snapshot(source.device.runtime))
    screen.take(Entry(9, "here", found))
    assert other.id == 1
    console = Console(width=120)
    with console.capture() as capture:
        console.print(screen.render())
    lines = capture.get().splitlines()
    (heap,) = [line.split() for line in lines if line.startswith("global heap")]
    used, peak = (f"{found['global_heap'][name]:,}" for name in ("used", "peak"))
    assert heap[3:6] == [used, peak, "20,000"]
    assert len([line for line in lines if "aux stack" in line and "900" in line]) == 1  # the other was never called
    assert any("9.0 s  mark here" in line for line in lines)
    assert any("9.0 s  instance 1 was made" in line for line in lines)
    assert "reset peaks" in lines[-1]
    assert lines[0].rstrip() == "insitu mem: a device, 5 snapshots, 2 left out"


def test_keys(terminal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, kept = Played(lambda times: os.write(terminal, b"mrsq"[times : times + 1])), list[Entry]()
    with open(os.devnull, "w") as nowhere:
        recording = watch.watch(source, kept.append, console=Console(file=nowhere, force_terminal=True))
    assert (source.times, source.reset) == (4, 1)
    assert [entry.mark for entry in kept] == ["", "mark 1", "", "", ""]
    assert [entry.mark for entry in recording.entries] == ["mark 1", "", "", ""]
    saved = record.read(tmp_path / "memory-1.jsonl")
    assert saved.entries == recording.entries[:3]


def test_without_a_terminal_it_ends_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing, open(os.devnull, "w") as nowhere:
        monkeypatch.setattr("sys.stdin", nothing)
        found = watch.watch(Played(), _nobody, console=Console(file=nowhere, force_terminal=True))
    assert len(found.entries) == 4


def _nobody(_: Any) -> None:
    pass
