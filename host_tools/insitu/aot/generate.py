"""Object files of finished IR: of each function the cheapest of the codes that LLVM generates with several options.

LLVM's strength reduction sees the checks in a loop for what they are not: which loops gain by it is known when the code
is there. Only functions with a loop are generated more than once.

Where a target has routines that save and restore registers, code that is to be small uses them. Other code does so in
functions with loops that are cheaper then: a prologue and an epilogue of 4 bytes each take some instructions more.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from insitu.aot import bases, cost, object_file, optimise, stand_ins
from insitu.aot.efforts import EFFORTS, Effort, Variant

if TYPE_CHECKING:
    from insitu.aot.targets import Target

_OFF = (
    "-disable-lsr=false",
    "-lsr-exp-narrow=false",
    "-lsr-preferred-addressing-mode=none",
    "-enable-misched=true",
)

# How much bytes count: twice as many have to save 7% of the instructions. With 0.4 a window costs 0.008 more on
# Cortex-M4F, and kernels without one have 0.999 of the bytes there, 0.987 on Cortex-M0+.
_BYTES = 0.1

# What another way of polling has to be cheaper by than the first one, whose loops pay for polls before they begin:
# cost.py takes a loop for 8 turns, and in longer ones that is the better one.
_OTHER_WAY = 0.98

_LABEL = re.compile(r"^([^\s:]+):|label %([^\s,\]]+)", re.MULTILINE)


def generate(ways: list[list[str]], target: Target, effort: str) -> list[bytes]:
    """The object files; each function is defined in one of them.

    ways: IR of the same functions, in one way or in several, and of each in one way of polling or in several; effort: a
    name of EFFORTS.
    """
    wanted, irs = EFFORTS[effort], [ir for polling in ways for ir in polling]
    times = [1 if i == 0 else 1 / _OTHER_WAY for polling in ways for i in range(len(polling)) for _ in wanted.variants]
    ir = irs[0]
    first, *others = wanted.variants
    small = wanted.size and bool(target.frames)
    texts = dict(optimise.definitions(ir)) if others else {}
    straight = {name for name, text in texts.items() if not _loops(text)}
    with stand_ins.options(ir):
        if len(straight) == len(texts):
            return [_generated(_parsed(ir, first.bases), target, first.options, set(), frames=small)]
        bases_tried = {variant.bases for variant in wanted.variants}
        modules = {(i, with_bases): _parsed(irs[i], with_bases) for i in range(len(irs)) for with_bases in bases_tried}

        def made_as(i: int, variant: Variant, left_out: set[str], frames: bool) -> bytes:
            module = modules[i, variant.bases].clone()
            return _generated(module, target, variant.options, left_out, frames=frames)

        tried = [(i, variant) for i in range(len(irs)) for variant in wanted.variants]
        made = [made_as(*n, straight if at else set(), small) for at, n in enumerate(tried)]
        costs = [cost.of_functions(data, target) for data in made]
        chosen = {name: _cheapest([costs_of.get(name) for costs_of in costs], times, wanted) for name in texts}
        for n in sorted(set(chosen.values())) if target.frames and not small else ():
            own = {name for name, of in chosen.items() if of == n and not _recursive(name, texts[name])} - straight
            framed = made_as(*tried[n], texts.keys() - own, frames=True)
            costs_of = cost.of_functions(framed, target)
            chosen |= {name: len(made) for name in own if _weight(costs_of[name]) < _weight(costs[n][name])}
            made.append(framed)
    return [
        object_file.without(data, {name for name, n in chosen.items() if n != i})
        for i, data in enumerate(made)
        if i in chosen.values() or i == 0
    ]


def cheapest(ways: list[list[bytes]], target: Target) -> list[bytes]:
    """Of a unit's object files, compiled in one way or several, those of the cheapest; the first of equals."""
    return ways[0] if len(ways) == 1 else min(ways, key=lambda way: _weight(_whole(way, target)))


def _weight(of: cost.Cost) -> float:
    return of.weighed * math.pow(of.bytes, _BYTES)


def _whole(objects: list[bytes], target: Target) -> cost.Cost:
    costs = [of for data in objects for of in cost.of_functions(data, target).values()]
    return cost.Cost(sum(of.weighed for of in costs), sum(of.bytes for of in costs))


def _parsed(ir: str, with_bases: bool) -> llvm.ModuleRef:
    module = llvm.parse_assembly(bases.hoist(ir) if with_bases else ir, llvm.create_context())
    module.verify()
    return module


def _loops(definition: str) -> bool:
    """Whether a block goes back to one before it: every loop has one that does."""
    seen = set()
    for label, target in _LABEL.findall(definition):
        if label:
            seen.add(label)
        elif target in seen:
            return True
    return False


def _recursive(name: str, definition: str) -> bool:
    """Whether a function calls itself."""
    return definition.count(f"@{name}(") > 1


def _generated(
    module: llvm.ModuleRef, target: Target, options: tuple[str, ...], left_out: set[str], *, frames: bool
) -> bytes:
    for name in left_out:
        module.get_function(name).linkage = llvm.Linkage.available_externally
    for option in (*_OFF, *options):
        llvm.set_option("insitu", option)
    return bytes(optimise.machine(target, frames=frames).emit_object(module))


def _cheapest(costs: list[cost.Cost | None], times: list[float], wanted: Effort) -> int:
    """Which of them, each that many times what it costs; the first of equals."""
    found = [(of.bytes if wanted.size else _weight(of) * times[i], of.bytes, i) for i, of in enumerate(costs) if of]
    return min(found)[2]
