"""`insitu report`: where the bytes of a module go, on one board or several, as HTML, JSON or Markdown."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from insitu.aot import compile_module
from insitu.aot.targets import Unroll, target
from insitu.board.record import Board
from insitu.commands.build import compile_source, is_image, read_file, write_file
from insitu.commands.tune import Call, Place
from insitu.errors import InsituError
from insitu.machine import emulated
from insitu.machine.port import Port
from insitu.package.deploy import METHODS, best
from insitu.report.facts import FORMAT, Facts, Subject, board_facts, report
from insitu.report.html import html
from insitu.report.markdown import markdown
from insitu.report.run import DEFAULT, SIMULATED, Measured, Sizes, measure
from insitu.report.savings import Saving, savings
from insitu.session.given import NOTHING, Given
from insitu.session.session import check_imports
from insitu.steps import step
from insitu.telemetry.record import Recording
from insitu.toolchain import LANGUAGES
from insitu.wasm.errors import WasmError
from insitu.wasm.source_map import with_map

SHAPES: Mapping[str, Callable[[Facts], str]] = {".html": html, ".json": json.dumps, ".md": markdown}
_BEFORE = "import gc\ngc.collect()\n_insitu_before = gc.mem_alloc()\n"
_AFTER = """
import insitu.instance
insitu.Runtime
gc.collect()
print(gc.mem_alloc() - _insitu_before)
"""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be measured.

    Attributes:
        calls: made in this order; at place; bindings, given, timeout: see tune.
        flags: for a source's compiler.
        advised: whether it is found out what flags would save.
        recording: RAM is shown as it was there, and not in the calls that are made here.
        packages: names of boards whose emulator says what the package takes, also where calls are simulated.
    """

    calls: tuple[Call, ...] = ()
    bindings: Mapping[str, str] = field(default_factory=dict)
    place: Place = SIMULATED
    given: Callable[[Board], Given] = lambda _: NOTHING
    sizes: Sizes = DEFAULT
    timeout: float | None = None
    flags: tuple[str, ...] = ()
    advised: bool = True
    recording: Recording | None = None
    packages: frozenset[str] = frozenset()


NO_WORK = Work()


def make(source: Path, boards: Sequence[Board], work: Work = NO_WORK, *, old: Path | None = None) -> Facts:
    """A report of a module, its source, or its image. old: an earlier one to compare with. Raises InsituError."""
    before = None if old is None else read_report(old)
    with tempfile.TemporaryDirectory(prefix="insitu-report-") as folder:

        @cache
        def data(unroll: Unroll) -> bytes:
            module = source
            if source.suffix in LANGUAGES:
                module = Path(folder, f"{source.stem}.wasm")
                compile_source(source, module, (), work.flags, unroll=unroll)
            return with_map(read_file(module), module)

        compiled = cache(lambda name: _subject(source.name, data(target(name).unroll), name, work.sizes))
        return report([_of_board(source, compiled(board.target), board, work) for board in boards], before)


def _of_board(source: Path, subject: Subject, board: Board, work: Work) -> Facts:
    measured = _measured(subject, board, work)
    package = None
    if measured is not None and not work.place.sim:
        package = package_bytes(board, work.place.port)
    elif board.name in work.packages and board.emulator is not None:
        package = package_bytes(board, None)
    if work.recording is not None:
        measured = replace(measured or Measured("in the recording"), recording=work.recording)
    saved = _saved(source, subject, board, work) if work.advised else []
    return board_facts(subject, board, measured=measured, package=package, savings=saved)


def _saved(source: Path, subject: Subject, board: Board, work: Work) -> list[Saving]:
    if subject.made is None:
        return []
    called = {call.export for call in work.calls}
    with step(f"what flags would save on {board.name}"):
        return savings(subject.made, source if source.suffix in LANGUAGES else None, called, work.flags, work.sizes)


def _subject(name: str, data: bytes, target: str, sizes: Sizes) -> Subject:
    if is_image(data):
        return Subject(name, data)
    try:
        return Subject.compiled(name, compile_module(data, target, sizes.options()))
    except WasmError as error:
        raise InsituError(f"{name} {error}") from None


def _measured(subject: Subject, board: Board, work: Work) -> Measured | None:
    """Nothing where nothing is called, unless on a board, whose pools are there to be read."""
    if not work.calls and work.place.sim:
        return None
    given = work.given(board)
    check_imports(subject.described, work.bindings, given)
    with step(f"making the calls on {board.name}"):
        return measure(
            board,
            subject.image,
            [*work.calls],
            dict(work.bindings),
            place=work.place,
            sizes=work.sizes,
            given=given,
            timeout=work.timeout,
        )


def package_bytes(board: Board, port: str | None) -> int:
    """What the device package takes of MicroPython's heap, on the board at port or in its emulator."""
    method = METHODS[best(board)]
    machine = Port(port) if port else emulated(board, method.contents(board), firmware=method.firmware(board))
    with machine, machine.link() as link:
        if port:
            link.soft_reset()
        link.run(_BEFORE)
        method.install(link, board)
        return int(link.run(_AFTER))


def read_report(path: Path) -> Facts:
    """A report in JSON. Raises InsituError where the file is none, or of another version."""
    try:
        found = json.loads(read_file(path))
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("insitu_report") != FORMAT:
        raise InsituError(f"{path} is no report that this insitu reads: `insitu report -o OLD.json` writes one")
    return found


def write_report(path: Path, found: Facts) -> None:
    """In the shape that the file's name says. Raises InsituError for another."""
    if path.suffix not in SHAPES:
        raise InsituError(f"{path}: a report is written as {', '.join(SHAPES)}")
    write_file(path, SHAPES[path.suffix](found).encode())
