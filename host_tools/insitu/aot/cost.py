"""What a function's machine code costs, told from the code alone: bytes, and instructions by the loops around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from insitu.aot import loops, stand_ins
from insitu.aot.contract import ARCHITECTURES, relaxation
from insitu.aot.contract import instruction as do
from insitu.aot.contract.elf import Object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from insitu.aot.contract.instruction import Architecture, Instruction
    from insitu.aot.targets import Target

_ROUNDS = 8  # of a loop of which nothing is known
_DEEPEST = 6  # loops in one another
_CALLS = (10, 30, relaxation.CALL)  # R_ARM_THM_CALL, R_ARM_THM_JUMP24
_PAIR_SAVED = relaxation.PAIR - relaxation.JAL_SIZE  # bytes: the linker makes a JAL of most
_LOCAL = (16, 17, 44, 45)  # R_RISCV_BRANCH, R_RISCV_JAL, R_RISCV_RVC_BRANCH, R_RISCV_RVC_JUMP
# What a routine that saves or restores registers executes but its call: see stubs/frames_rv32.S.
_ROUTINES = {
    f"__riscv_{what}_{n}": 2 + saved
    for what in ("save", "restore")
    for n, saved in enumerate([4] * 4 + [8] * 4 + [12] * 4 + [13])
}
_COLD = ("insitu_trap", stand_ins.POLL)  # what is called seldom; of a poll, nor does what follows count


@dataclass(frozen=True, slots=True)
class Cost:
    """What code costs.

    Attributes:
        weighed: instructions by how often each is executed, roughly; not at all those that only lead to a trap, and
            those that only a far access leads to.
        bytes: of it.
    """

    weighed: float
    bytes: int


@dataclass(slots=True)
class _Block:
    """Instructions without a way in or out between them.

    Attributes:
        to: offsets where control goes from it.
        table: whether it goes through a jump table that is not read here, to where nothing else does.
        trap: whether it ends in a trap.
        far: whether it calls the far routine.
    """

    instructions: int = 0
    to: list[int] = field(default_factory=list)
    table: bool = False
    trap: bool = False
    far: bool = False


def of_functions(data: bytes, target: Target) -> dict[str, Cost]:
    """The cost of each function that has a section of its own in the object file, by name."""
    of, machine, found = Object(data), ARCHITECTURES[target.arch], {}
    sizes = {section.name: section.size for section in of.sections}
    for index, symbols in of.defined.items():
        names = [symbol.name for symbol in symbols if symbol.function and not symbol.local]
        if len(names) == 1:
            size = of.sections[index].size + sizes.get(f".rodata.{names[0]}", 0)
            pairs = sum(r.type == relaxation.CALL for r in of.relocations(index))
            found[names[0]] = Cost(_weighed(_blocks(of, index, machine)), size - _PAIR_SAVED * pairs)
    return found


def _weighed(blocks: dict[int, _Block]) -> float:
    reached = {to for block in blocks.values() for to in block.to}
    start, *tabled = sorted(blocks.keys() - reached | {min(blocks)})
    graph = {at: block.to[:] for at, block in blocks.items()}
    for at in tabled if any(block.table for block in blocks.values()) else ():
        graph[_table_of(at, blocks)].append(at)
    cold = _cold(blocks, graph)
    if start in cold:
        return 0.0
    warm = {at: [to for to in ways if to in graph and to not in cold] for at, ways in graph.items() if at not in cold}
    depths = loops.depths(warm, start)
    return sum(blocks[at].instructions * float(_ROUNDS) ** min(depth, _DEEPEST) for at, depth in depths.items())


def _table_of(at: int, blocks: dict[int, _Block]) -> int:
    """The block whose jump table probably leads to one: the nearest before it, or the first."""
    tables = sorted(of for of, block in blocks.items() if block.table)
    return max((of for of in tables if of < at), default=tables[0])


def _cold(blocks: dict[int, _Block], graph: loops.Graph) -> set[int]:
    """What traps, or is far, and what only leads there."""
    cold = {at for at, block in blocks.items() if block.trap or block.far}
    while more := {at for at, ways in graph.items() if at not in cold and ways and cold.issuperset(ways)}:
        cold |= more
    return cold


def _parts(of: Object, index: int) -> list[tuple[int, int, str]]:
    """Begin and end of what is code and what is data, and which it is."""
    marks = sorted((s.value, s.name[:2]) for s in of.defined[index] if s.name[:2] in ("$d", "$t", "$x"))
    ends = [*marks[1:], (of.sections[index].size, "")]
    return [(at, end, kind) for (at, kind), (end, _) in zip(marks, ends, strict=True)]


def _entries(of: Object, index: int, at: int, width: int) -> list[int]:
    """Where TBB or TBH leads, whose table of entries of width bytes begins at an offset."""
    end = next((end for begin, end, _ in _parts(of, index) if begin == at), at)
    data = of.bytes_of(of.sections[index])
    return [at + 2 * int.from_bytes(data[entry : entry + width], "little") for entry in range(at, end, width)]


def _code(of: Object, index: int, machine: Architecture) -> Iterator[tuple[int, int, Instruction | None]]:
    """Offset, size and meaning of each instruction; None: of one that no program may have, which contract/ will say."""
    data = of.bytes_of(of.sections[index]) + bytes(4)
    for at, end, kind in _parts(of, index):
        while kind != "$d" and at < end:
            try:
                i = machine.decode(data, at)
                size = i.size
            except do.NotAllowed:
                i, size = None, 2
            yield at, size, i
            at += size


def _blocks(of: Object, index: int, machine: Architecture) -> dict[int, _Block]:
    relocations = of.relocations(index)
    calls = {r.offset: (r.type, of.symbols[r.symbol].name) for r in relocations if r.type in _CALLS}
    left_open = {r.offset: of.symbols[r.symbol].value + (r.addend or 0) for r in relocations if r.type in _LOCAL}
    rows = list(_code(of, index, machine))
    to = {
        at: left_open.get(at, at + i.target)
        for at, _, i in rows
        if i and i.flow in (do.JUMP, do.BRANCH) and at not in calls
    }
    tables = {at: _entries(of, index, at + size, i.target) for at, size, i in rows if i and i.flow == do.TABLE}
    starts = {*to.values(), *(entry for entries in tables.values() for entry in entries)}
    blocks: dict[int, _Block] = {}
    block, conditional, paired = None, 0, None
    for at, size, i in rows:
        if block is None or at in starts:
            if block is not None:
                block.to.append(at)
            block = blocks[at] = _Block()
        kind, callee = calls.get(at, paired or (0, ""))
        paired = (0, callee) if kind == relaxation.CALL else None
        block.instructions += not paired and 1 + _ROUTINES.get(callee, 0)
        if i is None or paired:
            if i and i.flow == do.JUMP_REGISTER:
                block = None
            continue
        block.far |= callee.startswith(stand_ins.FAR) and not conditional
        ends = _leave(block, i, to.get(at), callee, machine)
        block.to += dict.fromkeys(tables.get(at, ()))
        if conditional:
            conditional -= 1
            if ends or i.flow == do.BRANCH:
                block.trap = False
                block.to.append(at + size)
                block = None
        elif i.predicates:
            conditional = len(i.predicates)
        elif i.flow == do.BRANCH:
            block.to.append(at + size)
            block = None
        elif ends:
            block = None
    return blocks


def _leave(block: _Block, i: Instruction, to: int | None, callee: str, machine: Architecture) -> bool:
    """Note where control goes from the block's last instruction; whether it does not go on behind it. to: of a jump."""
    if callee:
        block.trap = callee in _COLD
        return block.trap or i.flow in (do.JUMP, do.JUMP_REGISTER)
    if to is not None:
        block.to.append(to)
        return i.flow == do.JUMP
    if i.flow == do.JUMP_REGISTER:
        block.table = i.register != machine.link and not any(e[0] == do.LOAD and e[2] == machine.sp for e in i.effects)
    return i.flow in (do.TABLE, do.JUMP_REGISTER)
