"""Snapshots in the order of time, with names for what was done: in memory, and in a file of lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
