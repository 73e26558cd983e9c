"""Snapshots in the order of time, with names for what was done: in memory, and in a file of lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from insitu.errors import InsituError
from insitu.telemetry.decode import Snapshot

_HEAD = {"insitu_recording": 1}  # the first line; the number is the format's


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment. Attributes: seconds: since the first; mark: what was done before it, "": nothing that has a name."""

    seconds: float
    mark: str
    snapshot: Snapshot


@dataclass(slots=True)
class Recording:
    """Attributes: entries: in order of time."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, seconds: float, snapshot: Snapshot, mark: str = "") -> Entry:
        entry = Entry(round(seconds, 3), mark, snapshot)
        self.entries.append(entry)
        return entry

    def highest(self) -> Snapshot:
        """The last snapshot, each peak as high as it ever was. Raises InsituError for an empty recording."""
        if not self.entries:
            raise InsituError("the recording is empty")
        last = deepcopy(self.entries[-1].snapshot)
        for entry in self.entries:
            _raise_peaks(last, entry.snapshot)
        return last


def curves(snapshots: Sequence[Snapshot]) -> dict[str, list[int]]:
    """Bytes over time, by pool; those that there are none of are left out."""
    found: dict[str, list[int]] = {}
    for snapshot in snapshots:
        for name, value in _sizes(snapshot).items():
            found.setdefault(name, []).append(value)
    return {name: values for name, values in found.items() if any(values)}


def _sizes(snapshot: Snapshot) -> dict[str, int]:
    heap, python = snapshot["global_heap"] or {}, snapshot["micropython_heap"] or {}
    instances, envs = snapshot["instances"], snapshot["exec_envs"]
    return {
        "global heap, used": heap.get("used", 0),
        "global heap, peak": heap.get("peak", 0),
        "operand stack, peak": max([env["stack_peak"] for env in envs], default=0),
        "aux stack, peak": max([instance["aux_stack_peak"] for instance in instances], default=0),
        "app heap, used": sum(instance["app_heap_used"] for instance in instances),
        "linear memory": sum(instance["memory"] for instance in instances),
        "MicroPython's heap, used": python.get("used", 0),
    }


def events(earlier: Entry | None, later: Entry) -> Iterator[str]:
    """What happened between two entries, in words; earlier: None at the first."""
    if later.mark:
        yield f"mark {later.mark}"
    if earlier is None:
        return
    before, now = earlier.snapshot, later.snapshot
    old = {instance["id"]: instance for instance in before["instances"]}
    new = {instance["id"]: instance for instance in now["instances"]}
    for number in sorted(old.keys() | new.keys()):
        if number not in new:
            yield f"instance {number} is gone"
        elif number not in old:
            yield f"instance {number} was made"
        elif (grown := new[number]["memory"] - old[number]["memory"]) > 0:
            yield f"instance {number}: linear memory grew by {grown:,} bytes to {new[number]['memory']:,}"
    traps = [(snapshot["traps"] or {"count": 0})["count"] for snapshot in (before, now)]
    if traps[1] > traps[0]:
        yield f"{traps[1] - traps[0]} trap{'s' * (traps[1] - traps[0] > 1)}"


def _raise_peaks(last: Snapshot, other: Snapshot) -> None:
    """Records of instances and exec envs are the same ones where their number, or their address, is."""
    pairs = [(last["global_heap"], other["global_heap"])]
    for key, name in (("instances", "id"), ("exec_envs", "address")):
        known = {record[name]: record for record in other[key]}
        pairs += [(record, known.get(record[name])) for record in last[key]]
    for record, before in pairs:
        if record and before:
            record |= {name: max(record[name], before[name]) for name in record if name.endswith("peak")}


def start(file: TextIO) -> None:
    """The first line of a file of recordings."""
    print(json.dumps(_HEAD), file=file, flush=True)


def append(file: TextIO, entry: Entry) -> None:
    """One more line; a reader has it at once."""
    print(json.dumps(asdict(entry)), file=file, flush=True)


def write(path: Path, recording: Recording) -> None:
    """Raises InsituError where the file cannot be written."""
    try:
        with path.open("w") as file:
            start(file)
            for entry in recording.entries:
                append(file, entry)
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}") from None


def read(path: Path) -> Recording:
    """Raises InsituError for a file that is no recording. A last line that was cut off is left out."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InsituError(f"{path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    if not lines or _parsed(lines[0]) != _HEAD:
        raise InsituError(f"{path} is no recording of `insitu mem --record`, or of another version")
    return Recording([*_entries(path, lines[1:])])


def _entries(path: Path, lines: list[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines, 2):
        found = _parsed(line)
        if isinstance(found, dict) and found.keys() == {"seconds", "mark", "snapshot"}:
            yield Entry(**found)
        elif number <= len(lines):
            raise InsituError(f"{path}:{number} is no entry of a recording")


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
