"""A module's functions in units that are compiled side by side (workers.py).

A unit's size does not depend on how many cores there are, so neither do the bytes. What LLVM knows of a function, it
knows in the function's own unit: for the others it is a declaration. Most modules are one unit.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING

from insitu.aot import generate, ir, optimise, workers
from insitu.aot.efforts import EFFORTS
from insitu.steps import step

if TYPE_CHECKING:
    from insitu.aot.plan import Plan
    from insitu.aot.targets import Target

# Lines of IR. A module of 1 MiB has about 35, enough for cores to share.
_UNIT = 20_000

# LLVM's options, which generate.py changes, are the process's: threads compile one after the other.
_LLVM = Lock()

_REFERENCE = re.compile(r"@(f\d+)\b")


def write(plan: Plan, *, unroll: bool = True) -> list[str]:
    """The IR of each unit: its functions, and declarations of those that they call in others; unroll: see ir.parts."""
    units: list[dict[str, str]] = [{}]
    size = 0
    for name, text in ir.parts(plan, unroll=unroll):
        lines = text.count("\n")
        if size and size + lines > _UNIT:
            units.append({})
            size = 0
        units[-1][name] = text
        size += lines
    foreign = [sorted({n for text in unit.values() for n in _REFERENCE.findall(text)} - unit.keys()) for unit in units]
    shared = {name for names in foreign for name in names}
    heads = {name: _declaration(unit[name]) for unit in units for name in unit if name in shared}
    return [
        ir.write(plan, [*(heads[n] for n in names), *(_seen(text, name in shared) for name, text in unit.items())])
        for unit, names in zip(units, foreign, strict=True)
    ]


def _declaration(definition: str) -> str:
    head = definition.partition(" align 4")[0]
    return head.replace("define internal", "declare hidden", 1).replace("define hidden", "declare hidden", 1)


def _seen(definition: str, by_others: bool) -> str:
    return definition.replace("define internal", "define hidden", 1) if by_others else definition


def compiled(texts: list[str], target: Target, effort: str) -> list[bytes]:
    """The object files of all units, in order. effort: a name of efforts.EFFORTS."""
    with step("generating machine code") as progress:
        if len(texts) == 1 and not optimise.may_abort(texts[0]):
            return compile_unit(texts[0], target, effort)
        made: list[bytes] = []
        for done, objects in enumerate(workers.compiled(texts, target, effort), 1):
            made += objects
            progress(done, len(texts))
        return made


def compile_unit(text: str, target: Target, effort: str, *, light: bool = False) -> list[bytes]:
    """The object files of one unit. light: see optimise.optimise."""
    wanted = EFFORTS[effort]
    with _LLVM:
        module = optimise.optimise(text, target, size=wanted.size, unroll=wanted.unroll, light=light)
        return generate.generate(optimise.finished(module, target), target, effort)
