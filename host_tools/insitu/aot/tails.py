"""What comes behind a far access, written twice: once for where there was none.

There the fast path and the slow one do not meet before the next turn of an innermost loop, or before the end of a
function without loops, so that what checks have said holds up to there, and no value is one of two. It is done on
LLVM's IR, after its passes, which are to come once more: what blocks that are written twice define for others goes
through memory here, which LLVM makes values of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from insitu.aot import far_calls, versions
from insitu.aot.blocks import NAME, Block, Blocks, in_each_function, name_of, reached, renamed

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 60  # lines that are written twice, in a loop or a function; with 40 a red-black tree takes 1.08 on Cortex-M4F
_COPY = ".far"


def written(ir: str) -> tuple[str, list[str]]:
    """A module's IR with such tails twice, and the names of the functions that have them."""
    module = llvm.parse_assembly(ir, llvm.create_context())
    passes = llvm.create_new_module_pass_manager()
    passes.add_instruction_namer_pass()
    passes.run(module, llvm.create_pass_builder(None, llvm.create_pipeline_tuning_options()))
    found = []

    def changed(text: str) -> str:
        if far_calls.NAME not in text:
            return text
        name = name_of(text)
        function = _Function(text, module.get_function(name))
        if function.copied:
            found.append(name)
        return function.text()

    text = in_each_function(str(module), changed)
    return (text, found) if found else (ir, [])


class _Function:
    """One function. copied: names of the blocks that are written twice."""

    def __init__(self, text: str, function: llvm.ValueRef) -> None:
        self._blocks = Blocks(text)
        self._types = {f"%{i.name}": str(i.type) for block in function.blocks for i in block.instructions if i.name}
        self._slow = far_calls.slow(self._blocks)
        tails = map(self._behind, self._regions())
        found = {name for tail in tails if self._lines(tail) <= _MOST for name in tail}
        self.copied = [name for name in self._blocks if name in found]

    def _regions(self) -> Iterator[set[str]]:
        """Blocks of a turn, or of all of a function: what far accesses lead back to and what leads on from there."""
        near = self._blocks.keys() - set(self._slow)
        first, before = next(iter(self._blocks)), self._blocks.before()
        if not self._blocks.loops(near):
            yield near - {first}
        for head, members in self._blocks.innermost(near):
            if not any(name.startswith(versions.CHECKED) for name in before[head]):
                yield members - {head}

    def _behind(self, members: set[str]) -> set[str]:
        starts = [to for name in self._slow for to in self._blocks[name].next]
        return reached({name: self._blocks[name] for name in members}, starts)

    def _lines(self, names: set[str]) -> int:
        return sum(len(self._blocks[name].lines) for name in names)

    def text(self) -> str:
        """The function's."""
        if self.copied:
            self._to_memory()
            for name in self.copied:
                self._copy(name)
            for name in (*self._slow, *(f"{name}{_COPY}" for name in self.copied)):
                for to in self._blocks[name].next:
                    if to in self.copied:
                        self._blocks[name].lead(to, f"{to}{_COPY}")
        return self._blocks.text()

    def _copy(self, name: str) -> None:
        block = self._blocks[name]
        names = {of: f"{of}{_COPY}" for of, _ in block.defined()}
        lines, end = ([renamed(line, names) for line in part] for part in (block.lines, block.end))
        self._blocks[f"{name}{_COPY}"] = Block([], lines, end)
        for to in set(block.next).difference(self.copied):
            for i, line in enumerate(self._blocks[to].phis):
                self._blocks[to].phis[i] = Blocks.also(line, name, f"{name}{_COPY}", names)

    # --- through memory ---

    def _to_memory(self) -> None:
        """What blocks that are copied take by phis, and what they define for others."""
        slots = {slot: of for name in self.copied for slot, of in self._phis_to_memory(self._blocks[name])}
        defined = {of: name for name in self.copied for of, _ in self._blocks[name].defined()}
        used = {of for name in self._blocks for of in self._loaded(name, defined)}
        for of in used:
            block = self._blocks[defined[of]]
            at = next(i for i, line in enumerate(block.lines) if line.startswith(f"  {of} ="))
            block.lines.insert(at + 1, f"  store {self._types[of]} {of}, ptr {of}.slot")
        slots |= {f"{of}.slot": of for of in sorted(used)}
        first = next(iter(self._blocks.values()))
        first.lines[:0] = [f"  {slot} = alloca {self._types[of]}" for slot, of in slots.items()]

    def _phis_to_memory(self, block: Block) -> Iterator[tuple[str, str]]:
        """Names of slots, and of what they are for."""
        loads = []
        for line in block.phis:
            of = line.split()[0]
            slot, kind = f"{of}.taken", self._types[of]
            for way, value in Blocks.incoming(line).items():
                self._blocks[way].lines.append(f"  store {kind} {value}, ptr {slot}")
            loads.append(f"  {of} = load {kind}, ptr {slot}")
            yield slot, of
        block.phis, block.lines = [], loads + block.lines

    def _loaded(self, name: str, defined: dict[str, str]) -> set[str]:
        """Let a block load what it uses of others that are copied; what that is."""
        block, found = self._blocks[name], set()
        uses = {of for line in (*block.lines, *block.end) for of in NAME.findall(line) if defined.get(of, name) != name}
        names = {of: f"{of}.in.{name}" for of in sorted(uses)}
        block.lines, block.end = ([renamed(line, names) for line in part] for part in (block.lines, block.end))
        block.lines[:0] = [self._load(new, of) for of, new in names.items()]
        for i, line in enumerate(block.phis):
            for way, of in Blocks.incoming(line).items():
                if defined.get(of, way) != way:
                    found.add(of)
                    block.phis[i] = block.phis[i].replace(f"[ {of}, %{way} ]", f"[ {self._at_end(way, of)}, %{way} ]")
        return found | uses

    def _at_end(self, name: str, of: str) -> str:
        """What a value is called at a block's end."""
        new, lines = f"{of}.by.{name}", self._blocks[name].lines
        load = self._load(new, of)
        if load not in lines:
            lines.append(load)
        return new

    def _load(self, name: str, of: str) -> str:
        return f"  {name} = load {self._types[of]}, ptr {of}.slot"
