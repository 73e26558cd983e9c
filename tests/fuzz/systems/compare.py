"""One system on one target against wasmtime, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from insitu import aot, sim
from insitu.port.xip import layout
from insitu.wasm.errors import Unsupported

from tests.fuzz.machines import _TABLE_TRAPS, _TRAPS, OVERFLOW
from tests.fuzz.systems import machines
from tests.fuzz.systems.host import DEPTH
from tests.fuzz.systems.oracle import Oracle
from tests.fuzz.systems.plan import System


@dataclass
class Report:
    """What was found.

    Attributes:
        wrong: differences, empty where both did the same; broken memory is one.
        steps: how many were compared; end: why not all: "whole", "stack overflow", ...
    """

    wrong: list[str] = field(default_factory=list)
    steps: int = 0
    end: str = "whole"


def compile_system(system: System, target: str) -> list[bytes]:
    """The images. A module with more tables than insitu takes is compiled without those that nothing uses."""
    images = []
    for module in system.modules:
        try:
            images.append(aot.compile_wasm(module.wasm(False), target))
        except Unsupported as error:
            if not module.padding or "tables, the limit is" not in str(error):
                raise
            module.padding = 0
            images.append(aot.compile_wasm(module.wasm(False), target))
    return images


def word(image: bytes, offset: int) -> int:
    """Of an image's header."""
    return int.from_bytes(image[offset : offset + 4], "little")


def truncated(system: System, images: list[bytes]) -> dict[int, int]:
    """Which memories the images say are truncated, and where the marks in the text say that they end then."""
    found = {}
    for module, image in zip(system.modules, images, strict=True):
        if word(image, layout.IMAGE_FLAGS) & layout.FLAG_MEMORY_TRUNCATED:
            assert module.memory  # what wasm-tools makes exports no marks
            found[module.number] = module.memory[1].end
    return found


def normal(outcome: Any) -> Any:
    """What came of a step, in words that both sides have."""
    if not isinstance(outcome, str):
        return outcome
    if outcome.startswith("link: "):
        return "link"
    if outcome.startswith("trap: "):
        for name in (*_TRAPS.values(), *_TABLE_TRAPS):
            if name in outcome:
                return "trap: " + ("table" if name in _TABLE_TRAPS else name)
    return outcome


def _trace(trace: list[Any]) -> list[Any]:
    return [[normal(part) for part in entry] for entry in trace]


def _allowed(step: Any, ours: Any) -> str:
    """Why what came of the step need not be what the standard says, "" where it must be."""
    if step[0] in ("load", "instantiate") and str(ours).startswith("error: ") and "load it first" in ours:
        return "larger guard refused"
    return ""


def _slack(wanted: Any, trace: list[Any]) -> str:
    """The same where a memory is truncated: behind it an access need not trap (tests/port/test_slack.py)."""
    return "slack" if "out of bounds memory access" in str((wanted, trace)) else ""


def _wrong(number: int, step: Any, ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> str:
    """What differs after a step, of outcome, trace and state; "" where nothing does."""
    (outcome, trace, state), (wanted, their_trace, their_state) = ours, theirs
    if not _same(normal(outcome), normal(wanted)):
        return f"step {number} {step}: {outcome!r}, wasmtime: {wanted!r}"
    if text := _difference(_trace(trace), _trace(their_trace)):
        return f"step {number} {step}: {text}"
    text = _difference(state, their_state)
    return f"after step {number} {step}: {text}" if text else ""


def differences(
    system: System,
    target: str,
    kind: str,
    images: list[bytes] | None = None,
    machine: Any = None,
    depth: int = DEPTH,
) -> Report:
    """Run both; stops comparing where an operand stack is full (the standard leaves the depth open), but not checking.

    machine: gives a device's answer for each step, instead of the simulated one. depth: of host functions.
    """
    report = Report()
    images = images or compile_system(system, target)
    cut = truncated(system, images)
    parts = {"functions": system.hosts, "names": system.names, "constants": system.constants}
    oracle = Oracle([m.wasm(True, cut) for m in system.modules], **parts)
    oracle.host.most = depth
    device = machine or machines.simulated(target, images, kind, **parts)
    for number, step in enumerate(system.steps):
        where = f"step {number} {step}"
        try:
            outcome, trace, state, overflowed, broken = device.step(*step)
        except (sim.CpuFault, sim.MemoryFault) as error:
            report.wrong = [f"{where}: crash: {error}"]
            return report
        if broken:
            report.wrong = [f"{where}: {broken}"]
            return report
        if report.end != "whole":
            continue
        wanted, their_trace, their_state, their_overflow = oracle.step(*step)
        if overflowed or their_overflow:
            report.end = OVERFLOW
            continue
        found = _wrong(number, step, (outcome, trace, state), (wanted, their_trace, their_state))
        if not found:
            report.steps += 1
        elif why := _allowed(step, outcome) or (_slack(wanted, their_trace) if cut else ""):
            report.end = why
        else:
            report.wrong = [found]
            return report
    return report


def _difference(ours: list[Any], theirs: list[Any]) -> str:
    """In words, "" where there is none."""
    for one, other in zip(ours, theirs, strict=False):
        if not _same(one, other):
            return f"{one}, wasmtime: {other}"
    return "" if len(ours) == len(theirs) else f"{len(ours)} of them, wasmtime: {len(theirs)}"


def _same(one: Any, other: Any) -> bool:
    """wasmtime does not say which function of an instance that could not be made a reference is of: a "?" there."""
    if one == other or (isinstance(one, list) and isinstance(other, list) and len(one) == len(other)):
        return one == other or all(map(_same, one, other))
    if not isinstance(one, str) or not isinstance(other, str) or "?" not in other:
        return False
    names, wanted = one.split(", "), other.split(", ")
    head, _, first = wanted[0].rpartition(" ")
    if first == "?":  # "m0.g1: ?"
        wanted[0], names[0] = first, names[0].removeprefix(head + " ")
    pairs = zip(names, wanted, strict=False)
    return len(names) == len(wanted) and all(n == w or (w == "?" and n != "null") for n, w in pairs)
