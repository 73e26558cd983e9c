"""A module's functions in units that are compiled side by side, each in a process of its own.

A unit's size does not depend on how many cores there are, so neither do the bytes. What LLVM knows of a function, it
knows in the function's own unit: for the others it is a declaration. Most modules are one unit.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from insitu.aot import efforts, generate, ir, optimise
from insitu.steps import step

if TYPE_CHECKING:
    from insitu.aot.plan import Plan
    from insitu.aot.targets import Target

# Lines of IR. A module of 1 MiB has about 20, enough for cores to share; a process costs 0.2 s, compiling a unit 2 s.
_UNIT = 20_000

# Units of a module whose functions are generated more than once: beyond, it would take longer than a person waits.
_FEW = 2

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
    if len(texts) > _FEW and effort == efforts.SPEED:
        effort = efforts.ONCE
    with step("generating machine code") as progress:
        if len(texts) == 1 and not optimise.may_abort(texts[0]):
            return compile_unit(texts[0], target, effort)
        made: list[bytes] = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, objects in enumerate(pool.map(lambda text: _in_process(text, target, effort), texts), 1):
                made += objects
                progress(done, len(texts))
        return made


def compile_unit(text: str, target: Target, effort: str, *, light: bool = False) -> list[bytes]:
    """The object files of one unit. light: see optimise.optimise."""
    with _LLVM:
        module = optimise.optimise(text, target, size=efforts.EFFORTS[effort].size, light=light)
        return generate.generate(optimise.finished(module, target), target, effort)


def _in_process(text: str, target: Target, effort: str) -> list[bytes]:
    done = _child(text, target, effort)
    if done.returncode < 0:  # LLVM aborted
        done = _child(text, target, effort, "light")
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    made: list[bytes] = pickle.loads(done.stdout)
    return made


def _child(text: str, target: Target, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "insitu.aot.unit_child", target.name, *words]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=False)
