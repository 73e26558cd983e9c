"""A frame's body as records."""

from __future__ import annotations

import struct
from typing import Any

from insitu.errors import InsituError
from insitu.port.xip import frames

# Kind: its key in a snapshot, and its words.
FIELDS: dict[int, tuple[str, tuple[str, ...]]] = {
    frames.RECORD_HEAP: ("global_heap", ("size", "used", "overhead", "free", "peak", "largest_free")),
    frames.RECORD_MODULE: ("modules", ("address", "image_bytes", "code_bytes")),
    frames.RECORD_INSTANCE: (
        "instances",
        ("id", "image", "block", "memory", "aux_stack_bottom", "aux_stack_size", "aux_stack_peak"),
    ),
    frames.RECORD_EXEC_ENV: ("exec_envs", ("instance", "block", "stack_size", "stack_peak")),
    frames.RECORD_PYTHON: ("micropython_heap", ("size", "used")),
}
_SINGLE = ("global_heap", "micropython_heap")
Snapshot = dict[str, Any]


def decode(body: bytes) -> Snapshot:
    """A snapshot: "global_heap" and "micropython_heap" are records, the others lists of records, all in bytes.

    Raises InsituError for a version or a record kind that this insitu does not know.
    """
    if body[0] != frames.FRAME_VERSION:
        raise InsituError(f"telemetry version {body[0]} from the device, this insitu reads {frames.FRAME_VERSION}")
    snapshot: Snapshot = {
        "global_heap": None,
        "micropython_heap": None,
        "modules": [],
        "instances": [],
        "exec_envs": [],
    }
    at = 1
    while at < len(body):
        if body[at] not in FIELDS:
            raise InsituError(f"telemetry record of unknown kind {body[at]}")
        key, names = FIELDS[body[at]]
        words = struct.unpack_from(f"<{len(names)}I", body, at + 1)
        record = dict(zip(names, words, strict=True))
        if key in _SINGLE:
            snapshot[key] = record
        else:
            snapshot[key].append(record)
        at += 1 + 4 * len(names)
    return snapshot
