"""A module's functions in units that are compiled side by side (workers.py).

A unit's size does not depend on how many cores there are, so neither do the bytes. What LLVM knows of a function, it
knows in the function's own unit: for the others it is a declaration. Most modules are one unit.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from threading import Lock
from typing import TYPE_CHECKING

from insitu.aot import generate, ir, optimise, workers
from insitu.aot.efforts import EFFORTS
from insitu.steps import step
from insitu.wasm.opcodes import codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from insitu.aot.plan import Plan
    from insitu.aot.targets import Target

# Lines of IR. Where LLVM sees one function at a time, apart from the small ones that it inlines, smaller units take
# 0.95 of the time, and cores end at almost the same time: a module of 1 MiB has about 110.
_UNIT, _UNIT_APART = 20_000, 5_000

# LLVM's options, which generate.py changes, are the process's: threads compile one after the other.
_LLVM = Lock()

_CALL, _CALL_INDIRECT, _REF_FUNC = codes("call", "call_indirect", "ref.func")
_NAMING = (_CALL, _REF_FUNC)  # a function, in the instruction itself
_REFERENCE = re.compile(r"@(f\d+)\b")


def write(plan: Plan, *, unroll: bool = True, apart: bool = False) -> Iterator[str]:
    """The IR of each unit: its functions, and declarations of those that they call in others.

    unroll: see ir.parts. apart: see efforts.Effort.
    """
    callers = _callers(plan)
    for unit in _units(ir.parts(plan, unroll=unroll), _UNIT_APART if apart else _UNIT):
        foreign = sorted({n for text in unit.values() for n in _REFERENCE.findall(text)} - unit.keys())
        yield ir.write(
            plan,
            [
                *(ir.declaration(plan, int(name[1:])) for name in foreign),
                *(_seen(text, not callers[name] <= unit.keys()) for name, text in unit.items()),
            ],
        )


def _units(parts: Iterator[tuple[str, str]], most: int) -> Iterator[dict[str, str]]:
    """Names and definitions of each unit's functions; most: lines."""
    unit: dict[str, str] = {}
    size = 0
    for name, text in parts:
        lines = text.count("\n")
        if unit and size + lines > most:
            yield unit
            unit, size = {}, 0
        unit[name] = text
        size += lines
    yield unit


def _callers(plan: Plan) -> defaultdict[str, set[str]]:
    """For a function's name, those of the functions that refer to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for i, function in enumerate(plan.wasm.functions, plan.wasm.imported_function_count):
        for opcode, immediate, _ in function.body:
            if opcode in _NAMING:
                found[f"f{immediate}"].add(f"f{i}")
            elif opcode == _CALL_INDIRECT:
                for callee in plan.choices.get(immediate, {}).values():
                    found[f"f{callee}"].add(f"f{i}")
    return found


def _seen(definition: str, by_others: bool) -> str:
    return definition.replace("define internal", "define hidden", 1) if by_others else definition


def compiled(texts: Iterator[str], target: Target, effort: str) -> list[bytes]:
    """The object files of all units, in order, which are compiled while others are written.

    effort: a name of efforts.EFFORTS.
    """
    with step("generating machine code") as progress:
        first, others = next(texts), list(itertools.islice(texts, 1))
        if not others and not optimise.may_abort(first):
            return compile_unit(first, target, effort)
        made = workers.compiled(itertools.chain([first], others, texts), target, effort, progress)
        return [data for objects in made for data in objects]


def compile_unit(text: str, target: Target, effort: str, *, light: bool = False) -> list[bytes]:
    """The object files of one unit. light: see optimise.optimise."""
    wanted = EFFORTS[effort]
    apart = wanted.apart and not optimise.has_giant(text)
    with _LLVM:
        module = optimise.optimise(text, target, size=wanted.size, unroll=wanted.unroll, apart=apart, light=light)
        ways = [module] if light else [*optimise.again(module, text, target, apart=apart), module]
        if len(wanted.variants) == 1:
            ways = ways[:1]
        irs = [optimise.finished(way, target, apart=apart, twice=wanted.twice) for way in ways]
        return generate.cheapest([generate.generate(ir, target, effort) for ir in irs], target)
