"""`insitu tune`: the smallest pools that some calls need, measured by a run and proven by a second one.

The knobs are those of WAMR's guide to tuning memory use.
"""

from __future__ import annotations

import shlex
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from insitu.aot.options import Options
from insitu.board.record import Board
from insitu.commands import inspect
from insitu.commands.build import build, is_image, read_file
from insitu.errors import InsituError
from insitu.image.pack import seal
from insitu.image.read import Image, has_allocator, read
from insitu.port.xip import layout
from insitu.session import pool
from insitu.session.given import NOTHING, Given, bind
from insitu.session.session import Session, check_imports, understand
from insitu.steps import step
from insitu.telemetry import ask

_AMPLE_HEAP, _AMPLE_STACK = 1 << 20, 1 << 16
_DEFAULT_STACK = 2048
_MARGIN = 8  # a proposal is an eighth above the peak


@dataclass(frozen=True, slots=True)
class Sizes:
    """What instantiation is given, in bytes; memory in pages (None: the module's own)."""

    global_heap: int
    stack: int
    app_heap: int = 0
    max_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Peaks:
    """What a run used at most, in bytes. largest: of the global heap, its control words and headers included."""

    largest: int
    stack: int
    aux_stack: int
    app_heap: int
    memory_pages: int


@dataclass(frozen=True, slots=True)
class Knob:
    """One row: what it is, how it is set, in bytes today and as proposed (None: it does not apply)."""

    name: str
    flag: str
    today: int | None
    proposed: int | None

    @property
    def saved(self) -> int:
        return (self.today or 0) - (self.proposed or 0)


@dataclass(frozen=True, slots=True)
class Call:
    """An export and its arguments, as words of the command line."""

    export: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Call:
        try:
            export, *arguments = shlex.split(text) or [""]
        except ValueError as error:
            raise InsituError(f"--invoke {text!r}: {error}") from None
        return cls(export, tuple(arguments))

    def __str__(self) -> str:
        return shlex.join([self.export, *self.arguments])


@dataclass(frozen=True, slots=True)
class Place:
    """Where the calls run: the simulated CPU, or the board: at a serial port, or its emulator (None)."""

    sim: bool = True
    port: str | None = None


def _run(
    board: Board,
    image: bytes,
    sizes: Sizes,
    calls: list[Call],
    bindings: dict[str, str],
    place: Place = Place(),
    given: Given = NOTHING,
    timeout: float | None = None,
) -> Peaks:
    """Load, instantiate and make all calls; raises InsituError with the device's words where that fails."""
    described = read(image)
    passed = []
    for call in calls:
        values, given = understand(described, call.export, call.arguments, given)
        passed.append((call.export, values))
    knobs = {"heap_size": sizes.app_heap, "max_memory": sizes.max_memory}
    session = Session(
        board,
        image,
        imports=bind(described, bindings),
        heap=sizes.global_heap,
        stack=sizes.stack,
        knobs=knobs,
        port=place.port,
        sim=place.sim,
        given=given,
        timeout=timeout,
    )
    with session:
        for export, values in passed:
            session.invoke(export, values)
        found = ask.snapshot(session.link)
    heap, instance, env = found["global_heap"], found["instances"][-1], found["exec_envs"][-1]
    return Peaks(
        largest=heap["peak"] + heap["overhead"],
        stack=env["stack_peak"],
        aux_stack=instance["aux_stack_peak"],
        app_heap=instance["app_heap_peak"],
        memory_pages=instance["memory"] // described.page_size,
    )


def _ample(board: Board, image: Image, stack_needed: int | None, app_heap: int, place: Place) -> Sizes:
    """More than the calls need; on a board, as much as there is. stack_needed: bytes, None: not known."""
    if place.sim:
        return Sizes(_AMPLE_HEAP, _AMPLE_STACK, app_heap)
    stack = min(_AMPLE_STACK, board.global_heap // 4 & ~7)
    if stack_needed is not None:
        stack = min(stack, stack_needed + _DEFAULT_STACK)
    return Sizes(pool.default(board, [image], stack, {"heap_size": app_heap}), stack, app_heap)


def _above(peak: int, step: int = 8) -> int:
    """A peak with its margin, rounded up."""
    return -(-(peak + peak // _MARGIN) // step) * step


def _propose(facts: dict[str, Any], ample: Sizes, peaks: Peaks) -> Sizes:
    """The stack from the call graph where that is known; the rest from the peaks, the heap from what it will hold."""
    needed = facts["operand_stack_needed"]
    stack = max(
        inspect.least_stack(facts), needed if needed is not None else _above(peaks.stack + facts["stack_guard"])
    )
    app_heap = _above(peaks.app_heap)
    maximum = peaks.memory_pages if facts["linear_memory_note"] == "can grow" else None
    heap = peaks.largest - ample.stack + stack - ample.app_heap + app_heap
    return Sizes(_above(heap, 64), stack, app_heap, maximum)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The table's rows, the flags to paste, and the image that was run with the proposed sizes."""

    knobs: list[Knob]
    flags: str
    image: bytes

    def table(self) -> Table:
        """For a person; a dash is what does not apply."""
        shown = Table("knob", "today", "proposed", "saved", "set by", title="bytes", title_justify="left")
        shown.columns[4].overflow = "fold"
        for column in shown.columns[1:4]:
            column.justify = "right"
        for knob in self.knobs:
            sizes = ["-" if size is None else f"{size:,}" for size in (knob.today, knob.proposed)]
            shown.add_row(knob.name, *sizes, f"{knob.saved:,}" if knob.saved else "", knob.flag)
        return shown

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"knobs": [asdict(knob) | {"saved": knob.saved} for knob in self.knobs], "flags": self.flags}


def _with_stack(image: bytes, stack: int) -> bytes:
    """The image with its operand stack's size written down; what a call graph with recursion cannot tell."""
    changed = bytearray(image)
    struct.pack_into("<I", changed, layout.IMAGE_STACK_NEEDED, stack)
    return seal(changed)


def tune(
    source: Path,
    board: Board,
    calls: list[Call],
    bindings: dict[str, str],
    app_heap: int = 0,
    place: Place = Place(),
    given: Given = NOTHING,
    timeout: float | None = None,
) -> Tuned:
    """Run the calls with ample sizes, propose small ones, run again with these. Raises InsituError.

    given, timeout: see Session.
    """
    if is_image(read_file(source)):
        raise InsituError(f"{source} is an image: tune builds several, give the .wasm file")
    image = build(source, board, Options(app_heap=app_heap))
    check_imports(read(image), bindings, given)

    def peaks_of(image: bytes, sizes: Sizes) -> Peaks:
        return _run(board, image, sizes, calls, bindings, place, given, timeout)

    facts = inspect.image_facts(image)
    today = Sizes(pool.default(board, [read(image)], _DEFAULT_STACK, {"heap_size": app_heap}), _DEFAULT_STACK, app_heap)
    ample = _ample(board, read(image), facts["operand_stack_needed"], app_heap, place)
    with step("running the calls with ample pools"):
        peaks = peaks_of(image, ample)
    proposed = _propose(facts, ample, peaks)
    if proposed.app_heap != app_heap:
        image = build(source, board, Options(app_heap=proposed.app_heap))
    made = _with_stack(image, proposed.stack)
    with step("running them with small ones"):
        proposed = _enough_heap(lambda sizes: peaks_of(made, sizes), proposed)
    return Tuned(_knobs(facts, today, proposed, peaks), _flags(proposed, today), made)


def _enough_heap(run: Callable[[Sizes], Peaks], sizes: Sizes) -> Sizes:
    """The proof. Growth that must move a block takes more than the sum of what is kept: then more is proposed."""
    for _ in range(4):
        try:
            run(sizes)
        except InsituError as error:
            if "global heap" not in str(error):
                raise
            sizes = replace(sizes, global_heap=sizes.global_heap + sizes.global_heap // 2)
        else:
            return sizes
    raise InsituError(
        "no size of the global heap up to five times what was used is enough: the calls behave differently"
    )


def _knobs(facts: dict[str, Any], today: Sizes, proposed: Sizes, peaks: Peaks) -> list[Knob]:
    """WAMR's eight, in the order of its guide. What only the linker can set is proposed for the next link."""
    memory, note, aux = facts["linear_memory"], facts["linear_memory_note"], facts["aux_stack_size"] or None
    grows = note == "can grow"
    whole = None if grows or "__heap_base" in note else memory
    grown = peaks.memory_pages * facts["page_size"] if grows else None
    libc = has_allocator(export["name"] for export in facts["exports"])
    return [
        Knob("global heap", "Runtime(heap=)", today.global_heap, proposed.global_heap),
        Knob("operand stack", "instantiate(stack_size=)", today.stack, proposed.stack),
        Knob("linear memory at first", "-Wl,--initial-memory=", memory, memory),
        Knob("linear memory at most", "instantiate(max_memory=)", grown, grown),
        Knob("truncation", "-Wl,--export=__heap_base,--export=__data_end", whole, whole),
        Knob("aux stack", "-Wl,-z,stack-size=", aux, max(64, _above(peaks.aux_stack, 16)) if aux else None),
        Knob("app heap", "instantiate(heap_size=)", today.app_heap, proposed.app_heap),
        Knob("libc heap", "-Wl,--max-memory=", grown if libc else None, grown if libc else None),
    ]


def _flags(proposed: Sizes, today: Sizes) -> str:
    flags = [f"--heap {proposed.global_heap}", f"--stack {proposed.stack}"]
    if today.app_heap:
        flags.append(f"--heap-size {proposed.app_heap}")
    if proposed.max_memory is not None:
        flags.append(f"--max-memory {proposed.max_memory}")
    return " ".join(flags)
