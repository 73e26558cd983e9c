"""What a far access takes, made once more where it is: LLVM's IR, text to text, after its passes.

An address that only the near access needs, then, is made in that access's own block, and so is part of the instruction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from insitu.aot import far_calls
from insitu.aot.blocks import NAME, Blocks, in_each_function, name_of
from insitu.aot.passes import passed

if TYPE_CHECKING:
    from insitu.aot.targets import Target

_DEEPEST = 3  # sums of sums
# Of one variable: two would both be needed longer.
_MADE = re.compile(r"  (%[\w.$-]+) = (?:add|or disjoint|shl|and) .*i32 %[\w.$-]+, -?\d+(?=,|$)")


def remade(ir: str, target: Target) -> str:
    """A module's IR so."""
    if far_calls.NAME not in ir:
        return ir
    few = target.few_registers
    text = in_each_function(ir, lambda text: _Function(text).text(few) if far_calls.NAME in text else text)
    if few:
        return text
    functions = [name_of(function) for function in text.split("\ndefine ")[1:] if far_calls.NAME in function]
    return passed(text, functions, "add_sinking_pass")  # values are made no earlier than they have to be


class _Function:
    def __init__(self, text: str) -> None:
        self._blocks = Blocks(text)
        self._made = {n: line for block in self._blocks.values() for n, line in block.defined() if _MADE.match(line)}

    def text(self, few: bool) -> str:
        """The function's. few: registers, which what ways bring to far accesses would take more of."""
        slow = far_calls.slow(self._blocks)
        for name in slow:
            self._in_its_block(name)
            ways = dict.fromkeys(way for line in self._blocks[name].phis for way in Blocks.incoming(line))
            for way in () if few else ways:
                if way not in slow:
                    self._on_the_way(way, name)
        return self._blocks.text()

    def _in_its_block(self, name: str) -> None:
        block = self._blocks[name]
        lines: list[str] = []
        names = {of: of for of, _ in block.defined()}
        for line in block.lines:
            head, call, operands = line.partition(far_calls.NAME)
            operands = NAME.sub(lambda of: self._remade(of[0], name, names, lines), operands)
            lines.append(head + call + operands)
        block.lines = lines

    def _on_the_way(self, way: str, to: str) -> None:
        """What a block takes by phis."""
        names: dict[str, str] = {}
        lines: list[str] = []
        between = f"{way}.{to}"
        for line in self._blocks[to].phis:
            self._remade(Blocks.incoming(line)[way], between, names, lines)
        if names:
            self._blocks.between(way, to, between).lines = lines
            for i, line in enumerate(self._blocks[to].phis):
                value = Blocks.incoming(line)[between]
                new = f"[ {names.get(value, value)}, %{between} ]"
                self._blocks[to].phis[i] = line.replace(f"[ {value}, %{between} ]", new)

    def _remade(self, of: str, at: str, names: dict[str, str], lines: list[str], depth: int = _DEEPEST) -> str:
        """A value's name at a place, where lines make it; names: of those that are there."""
        if of in self._made and of not in names and depth:
            line = self._made[of]
            operands = NAME.sub(lambda n: self._remade(n[0], at, names, lines, depth - 1), line[line.index("=") :])
            names[of] = f"{of}.{at}"
            lines.append(f"  {names[of]} {operands}")
        return names.get(of, of)
