"""All that a report says of an image on a board, as what JSON holds. Every shape that shows it reads this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from insitu.aot import Compiled
from insitu.board.record import Board
from insitu.commands.inspect import image_facts
from insitu.image import parts
from insitu.image.read import Image, read
from insitu.report.code import code_parts, wasm_index
from insitu.report.run import STACK, Measured
from insitu.report.savings import Saving
from insitu.report.stack import stack_facts
from insitu.telemetry import ask
from insitu.telemetry.record import Recording
from insitu.wasm.lines import Lines, source_lines

FORMAT = 1  # of the JSON
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is reported of. Attributes: made: None where only the image is there; app_heap: bytes, as build has it."""

    name: str
    image: bytes
    made: Compiled | None = None
    lines: Lines = field(default_factory=Lines)

    @property
    def described(self) -> Image:
        return read(self.image)

    @classmethod
    def compiled(cls, name: str, made: Compiled) -> Subject:
        """Of a module, with the source's lines where it has any."""
        return cls(name, made.image, made, source_lines(made.plan.wasm))


def report(boards: Sequence[Facts], old: Facts | None = None) -> Facts:
    """The whole of it. old: an earlier report to compare with."""
    return {"insitu_report": FORMAT, "boards": [*boards]} | ({} if old is None else {"compared_with": old["boards"]})


def board_facts(
    subject: Subject,
    board: Board,
    *,
    measured: Measured | None = None,
    package: int | None = None,
    savings: Sequence[Saving] = (),
) -> Facts:
    """Of one board. package: bytes of MicroPython's heap that the device package takes there, None: not measured."""
    found = image_facts(subject.image, STACK)
    return {
        "app": subject.name,
        "board": board.name,
        "description": board.description,
        "target": board.target,
        "flash": _flash(subject, board),
        "stack": _stack(subject, found),
        "ram": {
            "needed": found["ram"],
            "linear_memory": found["linear_memory"],
            "linear_memory_note": found["linear_memory_note"],
            "linear_memory_hint": found["linear_memory_hint"],
            "package": package,
            "pools": _pools(measured.recording) if measured else [],
        },
        "measured_on": measured.where if measured else None,
        "calls": [asdict(call) for call in measured.calls] if measured else [],
        "recording": [asdict(entry) for entry in measured.recording.entries] if measured else [],
        "savings": [asdict(saving) for saving in savings],
    }


def _flash(subject: Subject, board: Board) -> Facts:
    whole = parts.parts(subject.described, code_parts(subject.made) if subject.made else None)
    rows: dict[tuple[str, str], Facts] = {}
    for part in whole:
        row = rows.setdefault((part.kind, part.name), {"kind": part.kind, "name": _named(subject, part), "bytes": 0})
        row["bytes"] += part.size
        if part.kind == parts.FUNCTIONS and (place := _place(subject, part.index)):
            row["source"] = str(place)
    kinds = Counter[str]()
    for part in whole:
        kinds[part.kind] += part.size
    return {
        "image": len(subject.image),
        "room": board.image.size,
        "by_function": subject.made is not None,
        "kinds": {kind: kinds[kind] for kind in parts.KINDS},
        "parts": sorted(rows.values(), key=lambda row: -row["bytes"]),
    }


def _named(subject: Subject, part: parts.Part) -> str:
    """A data segment with its own name, where the module has that."""
    names = subject.made.plan.wasm.names.data if subject.made and part.kind == parts.DATA else {}
    return f"{part.name} ({names[part.index]})" if part.index in names else part.name


def _stack(subject: Subject, found: Facts) -> Facts:
    if subject.made is None:
        return {"needed": found["operand_stack_needed"], "guard": found["stack_guard"]}
    graph, known = subject.made.stack.graph, stack_facts(subject.made)
    frames: list[Facts] = [
        {"function": graph.functions[start].label, "bytes": walk.frame}
        | ({"source": str(place)} if (place := _place(subject, wasm_index(graph.functions[start]))) else {})
        for start, walk in graph.walks.items()
    ]
    return asdict(known) | {"frames": sorted(frames, key=lambda frame: (-frame["bytes"], frame["function"]))}


def _place(subject: Subject, index: int) -> object:
    """Where a function is written, None where that is not known, as it is not of an image alone."""
    return subject.lines.of_function(index) if subject.made is not None and index >= 0 else None


def _pools(recording: Recording) -> list[Facts]:
    rows = ask.pools(recording.highest())
    return [
        {"pool": name, "size": size, "used": used, "peak": peak, "note": note} for name, size, used, peak, note in rows
    ]
