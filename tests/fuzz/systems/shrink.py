"""A system that differs, with as little in it as still does; kept in regressions/ as what repr() makes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import wasmtime
from insitu.errors import InsituError

from tests.fuzz.systems import compare, plan
from tests.fuzz.systems.plan import System

REGRESSIONS = Path(__file__).parent / "regressions"


def read(path: Path) -> tuple[str, str, System]:
    """Target, kind of heap, and the system."""
    target, kind, system = eval(path.read_text(), vars(plan))
    return target, kind, system


def keep(name: str, target: str, kind: str, system: System) -> Path:
    """Where the regression test finds it."""
    REGRESSIONS.mkdir(exist_ok=True)
    path = REGRESSIONS / f"{name}.txt"
    path.write_text(repr((target, kind, system)) + "\n")
    return path


def shrink(system: System, target: str, kind: str) -> System:
    """Lists of the system are emptied piece by piece; what does not validate any more does not differ."""

    def differs(candidate: System) -> bool:
        try:
            return bool(compare.differences(candidate, target, kind).wrong)
        except (wasmtime.WasmtimeError, InsituError, AssertionError):
            return False

    at = 0
    while at < len(list(_lists(system))):
        system = _shorter(system, at, differs)
        at += 1
    return system


def _lists(system: System) -> Iterator[list[Any]]:
    """All that something may be taken out of: steps, actions, statements, exports, segments, imports."""
    yield system.steps
    for host in system.hosts:
        yield host[3]
    for module in system.modules:
        # functions last but for what is in them: taking one out moves only lists that come later
        yield from (module.segments, module.exports, module.variables, module.tables, module.imports, module.functions)
        yield from (function.statements for function in module.functions)


def _shorter(system: System, at: int, differs: Callable[[System], bool]) -> System:
    """The system with as little as possible in that one of its lists."""
    size = len(list(_lists(system))[at])
    while size:
        start = 0
        while start < len(list(_lists(system))[at]):
            candidate = copy.deepcopy(system)
            del list(_lists(candidate))[at][start : start + size]
            if differs(candidate):
                system = candidate
            else:
                start += size
        size //= 2
    return system
