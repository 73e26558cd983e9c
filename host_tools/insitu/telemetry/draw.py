"""A snapshot as a picture: where every byte of the global heap is, and what of it was used."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from insitu.errors import InsituError
from insitu.telemetry.decode import Snapshot

_WIDTH, _TOP, _HEIGHT = 760, 64, 560
_BAR, _BAR_WIDTH, _LABEL = 40, 170, 250
_LEAST = 16  # pixels that even one byte gets, so that its label has room
_COLORS = {
    "runtime": "#8c8c8c",
    "instance": "#4e79a7",
    "data": "#76b7b2",
    "aux": "#59a14f",
    "app heap": "#edc948",
    "exec env": "#9c755f",
    "operand": "#f28e2b",
    "host": "#b07aa1",
    "overhead": "#bab0ac",
    "free": "#ffffff",
}
CURVES = {  # of record.curves; a peak has its pool's
    "global heap, used": "#4e79a7",
    "global heap, peak": "#4e79a7",
    "operand stack, peak": "#f28e2b",
    "aux stack, peak": "#59a14f",
    "app heap, used": "#edc948",
    "linear memory": "#76b7b2",
    "MicroPython's heap, used": "#8c8c8c",
}
_STYLE = "text{font:13px sans-serif;fill:#222}.small{font-size:11px;fill:#666}.title{font-size:15px;font-weight:bold}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bar. peak: bytes of it that were used at most, None where all of it is in use."""

    kind: str
    text: str
    size: int
    peak: int | None = None


def parts(snapshot: Snapshot) -> list[Part]:
    """The global heap from the runtime's own block to what is free; their sizes add up to its size."""
    heap = snapshot["global_heap"]
    if heap is None:
        raise InsituError("the device has no runtime: there is nothing to draw")
    found = [Part("runtime", "runtime", heap["runtime"])]
    for instance in snapshot["instances"]:
        name = f"instance {instance['id']}"
        rows = [row for row in snapshot["far_memories"] if row["instance"] == instance["id"]]
        far = [part for row in rows for part in _far(row)]
        rest = instance["block"] + instance["apart"] - sum(part.size for part in far)
        far += [Part("data", "linear memory: table of far pages", instance["memory_in_heap"]) for _ in rows]
        found.append(Part("instance", f"{name}: globals, slots, tables, slack", rest))
        found += far or _memory(instance)
    for env in snapshot["exec_envs"]:
        found.append(Part("exec env", "exec env", env["block"] - env["stack_size"]))
        found.append(Part("operand", "operand stack", env["stack_size"], env["stack_peak"]))
    found.append(Part("host", "allocated by the host", heap["host"]))
    found.append(Part("overhead", "headers, lists, rounding", heap["overhead"]))
    found.append(Part("free", "free", heap["free"]))
    return [part for part in found if part.size]


def _far(row: dict[str, int]) -> list[Part]:
    """The window, which lies in the instance's block, and its far pages."""
    pages, used = (row["pages"] + row["ready"]) * row["page"], row["pages"] * row["page"]
    text = f"linear memory: window at {row['start']}" if row["start"] else "linear memory: window"
    return [Part("data", text, row["window"]), Part("data", "linear memory: far pages", pages, used)]


def _memory(instance: dict[str, int]) -> list[Part]:
    """Linear memory in its own order: aux stack and app heap where they lie, data and heap around them."""
    if not instance["memory_in_heap"]:
        return []
    marks = [
        (instance["aux_stack_bottom"], instance["aux_stack_size"], "aux", "aux stack", instance["aux_stack_peak"]),
        (instance["app_heap_start"], instance["app_heap_size"], "app heap", "app heap", instance["app_heap_peak"]),
    ]
    found, at = [], 0
    for start, size, kind, text, peak in sorted(mark for mark in marks if mark[1]):
        found.append(Part("data", "linear memory: data", start - at))
        found.append(Part(kind, f"linear memory: {text}", size, peak))
        at = start + size
    found.append(Part("data", "linear memory: data", instance["memory_in_heap"] - at))
    return found


def _heights(sizes: list[int]) -> list[float]:
    """Pixels in proportion to bytes, but none below _LEAST."""
    room = _HEIGHT - _LEAST * len(sizes)
    return [_LEAST + room * size / sum(sizes) for size in sizes]


def _shape(part: Part, y: float, height: float) -> list[str]:
    fill = _COLORS[part.kind]
    lines = [f'<rect x="{_BAR}" y="{y:.1f}" width="{_BAR_WIDTH}" height="{height:.1f}" fill="{fill}" stroke="#444"/>']
    note = f"{part.size:,} bytes"
    if part.peak is not None:
        note += f", {part.peak:,} used at most"
        unused = height * (1 - part.peak / part.size)
        lines.append(
            f'<rect x="{_BAR}" y="{y:.1f}" width="{_BAR_WIDTH}" height="{unused:.1f}" fill="#fff" fill-opacity=".6"/>'
        )
    middle = y + height / 2 + 4
    lines.append(f'<text x="{_LABEL}" y="{middle:.1f}">{escape(part.text, quote=False)}</text>')
    lines.append(f'<text class="small" x="{_LABEL + 270}" y="{middle:.1f}">{note}</text>')
    return lines


def svg(snapshot: Snapshot, title: str) -> str:
    """The picture. Pale: what a stack or a heap has, but never used. Raises InsituError without a runtime."""
    found = parts(snapshot)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_TOP + _HEIGHT + 50}" width="{_WIDTH}">',
        f"<style>{_STYLE}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text class="title" x="{_BAR}" y="26">{escape(title, quote=False)}</text>',
        f'<text class="small" x="{_BAR}" y="48">global heap, {sum(part.size for part in found):,} bytes</text>',
    ]
    y = float(_TOP)
    for part, height in zip(found, _heights([part.size for part in found]), strict=True):
        lines += _shape(part, y, height)
        y += height
    for number, module in enumerate(snapshot["modules"]):
        text = f"in flash, executed in place: {module['image_bytes']:,} bytes at {module['address']:#010x}"
        lines.append(f'<text class="small" x="{_BAR}" y="{y + 24 + 16 * number:.1f}">{text}</text>')
    return "\n".join([*lines, "</svg>", ""])
