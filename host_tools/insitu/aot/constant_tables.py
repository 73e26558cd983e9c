"""Tables of functions that nothing can change once code runs: which function each entry leads an indirect call to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.wasm.opcodes import codes
from insitu.wasm.types import ValType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from insitu.aot.plan import Table
    from insitu.wasm.module import Module

_CALL_INDIRECT, _I32_CONST = codes("call_indirect", "i32.const")
# Instructions that write to a table, and where their immediate has its index.
_WRITES = dict(
    zip(codes("table.set", "table.init", "table.copy", "table.grow", "table.fill"), (0, 1, 0, 0, 0), strict=True)
)
_MOST_CHOICES = 4  # of functions: a comparison with each of more takes as long as asking the table

Entries = dict[int, int]  # entry to function; what is not there is null


def find(wasm: Module, tables: Sequence[Table]) -> dict[int, Entries]:
    """Such tables by index: own, not exported, of a length that does not change, never written to."""
    written = _written(wasm)
    found: dict[int, Entries] = {}
    for index, table in enumerate(tables):
        if table.fixed and table.element is ValType.funcref and index not in written:
            entries = _entries(wasm, index, table.length)
            if entries is not None:
                found[index] = entries
    return found


def _written(wasm: Module) -> set[int]:
    written = set()
    for function in wasm.functions:
        for opcode, immediate, _ in function.body:
            if opcode in _WRITES:
                written.add(immediate[_WRITES[opcode]] if isinstance(immediate, tuple) else immediate)
    return written


def _entries(wasm: Module, index: int, length: int) -> Entries | None:
    """What active segments leave in a table; None where the build does not know it.

    A module with a segment that does not fit is never instantiated.
    """
    entries: Entries = {}
    for element in wasm.elements:
        if element.mode != "active" or element.table != index:
            continue
        opcode, start, _ = element.offset[0]
        if opcode != _I32_CONST or not 0 <= start <= length - len(element.items):
            return None
        for entry, item in enumerate(element.items, start):
            if item is None:
                entries.pop(entry, None)
            elif isinstance(item, int):
                entries[entry] = item
            else:
                return None
    return entries


def callees(wasm: Module, constant: dict[int, Entries]) -> dict[tuple[int, int], Entries]:
    """For type and table of indirect calls: the entries of that type."""
    calls = {i[1] for function in wasm.functions for i in function.body if i[0] == _CALL_INDIRECT}
    return {
        (type_index, table): {
            entry: i for entry, i in constant[table].items() if wasm.func_types[i] == wasm.types[type_index]
        }
        for type_index, table in calls
        if table in constant
    }


def few(entries: Entries) -> bool:
    """Whether a comparison with each is worth it."""
    return len(set(entries.values())) <= _MOST_CHOICES
