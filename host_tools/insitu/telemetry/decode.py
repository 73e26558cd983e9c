"""A frame's body as records."""

from __future__ import annotations

import struct
from typing import Any

from insitu.errors import InsituError
from insitu.port.xip import frames

# Kind: its key in a snapshot, and its words.
FIELDS: dict[int, tuple[str, tuple[str, ...]]] = {
    frames.RECORD_HEAP: (
        "global_heap",
        ("kind", "size", "used", "overhead", "free", "peak", "largest_free", "runtime", "host"),
    ),
    frames.RECORD_MODULE: ("modules", ("address", "image_bytes", "code_bytes")),
    frames.RECORD_INSTANCE: (
        "instances",
        (
            *("id", "image", "block", "memory_in_heap", "apart", "memory_address", "memory"),
            *("aux_stack_bottom", "aux_stack_size", "aux_stack_peak"),
            *("app_heap_start", "app_heap_size", "app_heap_used", "app_heap_peak"),
        ),
    ),
    frames.RECORD_EXEC_ENV: ("exec_envs", ("instance", "address", "block", "stack_size", "stack_peak")),
    frames.RECORD_FAR: ("far_memories", ("instance", "start", "window", "page", "pages", "ready", "accesses")),
    frames.RECORD_PYTHON: ("micropython_heap", ("size", "used")),
    frames.RECORD_TRAPS: ("traps", ("count",)),
}
_SINGLE = ("global_heap", "micropython_heap", "traps")
Snapshot = dict[str, Any]


def decode(body: bytes) -> Snapshot:
    """A snapshot: "global_heap" and "micropython_heap" are records, the others lists of records, all in bytes.

    "traps" has how many there were, "mark" what the program calls this moment.

    Raises InsituError for a version or a record kind that this insitu does not know, and for half a record.
    """
    if not body:
        raise InsituError("an empty telemetry frame")
    if body[0] != frames.FRAME_VERSION:
        raise InsituError(f"telemetry version {body[0]} from the device, this insitu reads {frames.FRAME_VERSION}")
    snapshot: Snapshot = {
        "global_heap": None,
        "micropython_heap": None,
        "traps": None,
        "mark": "",
        "modules": [],
        "instances": [],
        "exec_envs": [],
        "far_memories": [],
    }
    at = 1
    while at < len(body):
        if body[at] == frames.RECORD_MARK:
            snapshot["mark"], at = _mark(body, at + 1)
            continue
        if body[at] not in FIELDS:
            raise InsituError(f"telemetry record of unknown kind {body[at]}")
        key, names = FIELDS[body[at]]
        if at + 1 + 4 * len(names) > len(body):
            raise InsituError(f"telemetry record of kind {body[at]} is cut off")
        words = struct.unpack_from(f"<{len(names)}I", body, at + 1)
        record = dict(zip(names, words, strict=True))
        if key in _SINGLE:
            snapshot[key] = record
        else:
            snapshot[key].append(record)
        at += 1 + 4 * len(names)
    return snapshot


def _mark(body: bytes, at: int) -> tuple[str, int]:
    """A name whose length is at at, and where the next record begins."""
    end = at + 1 + (body[at] if at < len(body) else 0)
    if end > len(body) or at == len(body):
        raise InsituError("telemetry record of a mark is cut off")
    return body[at + 1 : end].decode("utf-8", "replace"), end


def owners(snapshot: Snapshot) -> dict[str, int]:
    """Who has how many bytes of the global heap: every byte in use is in exactly one of them."""
    heap = snapshot["global_heap"]
    found = {"runtime": heap["runtime"], "host": heap["host"]}
    for instance in snapshot["instances"]:
        name = f"instance {instance['id']}"
        found[name] = instance["block"] + instance["apart"]
        found[f"{name} linear memory"] = instance["memory_in_heap"]
    for number, env in enumerate(snapshot["exec_envs"]):
        found[f"exec env {number}"] = env["block"]
    return found


class SumError(InsituError):
    """Parts that do not add up: a bug, or a snapshot that a timer took in the middle of something."""


def check_sums(snapshot: Snapshot) -> None:
    """Raise SumError unless all owners together have what is used, and a pool's parts are the whole."""
    heap = snapshot["global_heap"]
    named = sum(owners(snapshot).values())
    if named != heap["used"]:
        raise SumError(f"{heap['used']} bytes of the global heap are used, but {named} have an owner")
    whole = heap["used"] + heap["overhead"] + heap["free"]
    if heap["kind"] == 0 and whole != heap["size"]:
        raise SumError(f"the global heap's parts add up to {whole} bytes of {heap['size']}")
