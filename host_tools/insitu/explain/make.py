"""The map of a module that was just compiled."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from elftools.elf.elffile import ELFFile

from insitu.aot import Compiled
from insitu.aot.contract import ARCHITECTURES, functions
from insitu.aot.contract import instruction as do
from insitu.aot.contract.functions import Function, Walk
from insitu.aot.contract.instruction import Architecture
from insitu.explain import located
from insitu.explain.code_map import FUNCTION, IMPORT, LIBRARY, STUB, THUNK, Call, Code, CodeMap, Spot
from insitu.explain.located import Location
from insitu.image.read import read
from insitu.port.xip import layout
from insitu.wasm.lines import Lines, source_lines
from insitu.wasm.module import Module
from insitu.wasm.opcodes import OPCODES

_KINDS = {
    functions.THUNK: THUNK,
    functions.LIBRARY: LIBRARY,
    functions.BYTES: LIBRARY,
    functions.HOST_CALL: STUB,
    functions.TRAP: STUB,
    functions.STUB: STUB,
    functions.POLL: STUB,
    functions.SAVE: LIBRARY,
    functions.RESTORE: LIBRARY,
}


def code_map(made: Compiled) -> CodeMap:
    """The map of an image that was compiled with located."""
    image = read(made.image)
    start, graph, wasm = image.code_offset, made.stack.graph, made.plan.wasm
    machine, lines = ARCHITECTURES[made.plan.target.arch], source_lines(wasm)
    starts = [*sorted(graph.functions), len(made.code.data)]
    walks = sorted(graph.walks.items())
    spots, rows = _rows(made, lines)
    row_starts = [at for at, _ in rows]

    def is_located(at: int) -> bool:
        row = bisect_right(row_starts, at) - 1
        return row >= 0 and bool(rows[row][1])

    return CodeMap(
        crc=image.crc,
        target=made.plan.target.name,
        functions=[(name(wasm, i), str(lines.of_function(i) or "")) for i in range(len(wasm.func_types))],
        code=[_code(made, start, at, end) for at, end in pairwise(starts)],
        calls=[
            Call(
                start + call.at,
                start + call.at + walk.instructions[call.at],
                call.depth,
                -1 if call.callee is None else start + call.callee,
                call.tail,
            )
            for _, walk in walks
            for call in walk.calls
        ],
        spots=spots,
        rows=[(start + at, found) for at, found in rows],
        data=[(start + at, size) for at, walk in walks for at, size in _data(graph.functions[at], walk)],
        traps={
            start + at: [start + branch for branch in branches]
            for _, walk in walks
            for at, branches in _traps(machine, made.code.data, graph.functions, walk, is_located).items()
        },
        saved=made.stack.saved,
        link=0 if made.plan.target.arch == layout.ARCH_RV32 else made.stack.saved - 4,
    )


def name(wasm: Module, index: int) -> str:
    """What a person knows a function by: of an import, its module's name, too."""
    if index < wasm.imported_function_count:
        imported = wasm.imported("func")[index]
        return f"{imported.module}.{imported.name}"
    return wasm.function_name(index) or f"function {index}"


def _code(made: Compiled, start: int, at: int, end: int) -> Code:
    """end: where the next one starts, for the stub, whose symbols have no sizes."""
    function, wasm = made.stack.graph.functions[at], made.plan.wasm
    walk = made.stack.graph.walks.get(at)
    frame = walk.frame if walk else 0
    head = function.name.partition(".")[0]
    if function.kind == functions.PROGRAM:
        index = int(head[1:])
        kind = IMPORT if index < wasm.imported_function_count else FUNCTION
        return Code(
            start + at, function.size, kind, name(wasm, index), index, frame, function.returns, function.exposed
        )
    index = int(head[1:]) if function.kind == functions.THUNK else -1
    return Code(
        start + at,
        function.size or end - at,
        _KINDS[function.kind],
        function.label,
        index,
        frame,
        function.kind != functions.TRAP,
        exposed=False,
    )


def _data(function: Function, walk: Walk) -> Iterator[tuple[int, int]]:
    """What lies between a function's instructions, and behind them: offset and bytes."""
    at = function.start
    for start in [*sorted(walk.instructions), function.end]:
        if at < start:
            yield at, start - at
        at = start + walk.instructions.get(start, 0)


# --- instructions of the module ---


def _rows(made: Compiled, lines: Lines) -> tuple[list[Spot], list[tuple[int, list[int]]]]:
    """Spots, and rows of offsets in the code and places in spots."""
    elf = ELFFile(io.BytesIO(made.code.elf))
    found = located.rows(elf.get_dwarf_info(relocate_dwarf_sections=False), made.code.base)
    known: dict[tuple[int, int], int] = {}
    spots: list[Spot] = []
    texts = _Texts(made.plan.wasm, lines)
    rows: list[tuple[int, list[int]]] = []
    for at, chain in found:
        numbers = []
        for location in _known(chain):
            if location not in known:
                known[location] = len(spots)
                spots.append(texts.spot(*location))
            numbers.append(known[location])
        if rows and rows[-1][0] == at:
            rows.pop()
        if not rows or rows[-1][1] != numbers:
            rows.append((at, numbers))
    return spots, rows


def _known(chain: list[Location]) -> list[tuple[int, int]]:
    """The chain; of an instruction that nothing is known of, or whose callers are lost, nothing."""
    known = [location for location in chain if location]
    return known if len(known) == len(chain) else []


class _Texts:
    """Spots of a module's instructions."""

    def __init__(self, wasm: Module, lines: Lines) -> None:
        self._wasm, self._lines = wasm, lines
        self._instructions = {
            at: (code, immediate) for function in wasm.functions for code, immediate, at in function.body
        }

    def spot(self, index: int, distance: int) -> Spot:
        """The instruction that lies so far from the beginning of the function's body."""
        offset = self._wasm.functions[index - self._wasm.imported_function_count].offset + distance
        return Spot(index, offset, self._text(*self._instructions[offset]), str(self._lines.at(offset) or ""))

    def _text(self, code: int, immediate: Any) -> str:
        row = OPCODES[code]
        if row.immediate == "memarg":
            return f"{row.name} offset={immediate[1]}" if immediate[1] else row.name
        if row.name == "call":
            return f"call {name(self._wasm, immediate)}"
        return f"{row.name} {immediate}" if isinstance(immediate, int) else row.name


# --- traps that several checks share ---


@dataclass(frozen=True, slots=True)
class _Function:
    """A function's instructions: decoded, by offset; before: offset of one to that of the one before it; sources: of
    one to those that branch to it; located: the offsets that rows say something of."""

    decoded: dict[int, do.Instruction]
    before: dict[int, int]
    sources: dict[int, list[int]]
    located: Callable[[int], bool]

    def deciding(self, at: int) -> set[int]:
        """Where it is decided that control comes to an instruction: the nearest places on each way that are located.

        A jump decides nothing, but it may be what is left of an instruction that always traps.
        """
        found: set[int] = set()
        seen: set[int] = set()
        pending = [at]
        while pending:
            for place in self._leading(pending.pop()) - seen:
                seen.add(place)
                if self.located(place):
                    found.add(place)
                if not self.located(place) or self.decoded[place].flow == do.JUMP:
                    pending.append(place)
        return found

    def _leading(self, at: int) -> set[int]:
        """Branches to the straight line that ends at an instruction, and the one that falls through into it."""
        found = set(self.sources.get(at, []))
        while (previous := self.before.get(at)) is not None:
            flow = self.decoded[previous].flow
            if flow == do.BRANCH:
                found.add(previous)
            elif flow != do.NEXT:
                found |= self._condition(previous)
            if flow != do.NEXT:
                break
            at = previous
            found |= set(self.sources.get(at, []))
        return found

    def _condition(self, at: int) -> set[int]:
        """The comparison for the IT block, of at most four, that has the instruction: control may go on behind it."""
        it = at
        for distance in range(1, 5):
            it = self.before.get(it, -1)
            if it < 0 or len(self.decoded[it].predicates) >= distance:
                break
        while it >= 0 and not any(effect[0] in _COMPARISONS for effect in self.decoded[it].effects):
            it = self.before.get(it, -1)
        return {it} if it >= 0 else set()


_COMPARISONS = (do.COMPARE, do.COMPARE_CONSTANT)


def _traps(
    machine: Architecture, code: bytes, known: dict[int, Function], walk: Walk, located: Callable[[int], bool]
) -> dict[int, list[int]]:
    """Offset of each call of the stub's trap that says nothing of itself to where it is decided on."""
    calls = [c.at for c in walk.calls if c.callee is not None and known[c.callee].kind == functions.TRAP]
    if not calls:
        return {}
    decoded = {at: machine.decode(code, at) for at in walk.instructions}
    sources: dict[int, list[int]] = {}
    for at, i in decoded.items():
        if i.flow in (do.BRANCH, do.JUMP):
            sources.setdefault(at + i.target, []).append(at)
    before = {at + size: at for at, size in walk.instructions.items()}
    function = _Function(decoded, before, sources, located)
    return {at: sorted(function.deciding(at)) for at in calls if not located(at)}
