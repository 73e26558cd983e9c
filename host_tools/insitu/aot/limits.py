"""What insitu does not compile (yet), refused by name before any code is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot import atomics, memory, signature
from insitu.aot.body import EMITTERS
from insitu.aot.plan import PAGE, Plan
from insitu.port.xip import layout
from insitu.wasm.errors import Unsupported
from insitu.wasm.opcodes import OPCODES, codes

if TYPE_CHECKING:
    from insitu.wasm.module import Function, Module
    from insitu.wasm.types import FuncType

_STRUCTURE = codes("else", "end")  # body.py's own
_CHECKED = memory.LOADS.keys() | memory.STORES.keys() | atomics.ACCESSES.keys()
# Checks that LLVM must order take it time that grows with the square of their number in a function: 15 s for
# as many as this, whatever they are.
MOST_CHECKS = 20000


def _check_size(module: Module, index: int, function: Function) -> None:
    checks = sum(OPCODES[opcode].name in _CHECKED for opcode, _, _ in function.body)
    if checks > MOST_CHECKS:
        reason = f"the function has {checks} memory accesses, the limit is {MOST_CHECKS}: split it"
        raise Unsupported(reason, function.offset, index, module.function_name(index))


def _check_function(module: Module, index: int, function: Function) -> None:
    _check_size(module, index, function)
    for opcode, _, at in function.body:
        if opcode not in EMITTERS and opcode not in _STRUCTURE:
            reason = f"{OPCODES[opcode].name} is not supported"
            raise Unsupported(reason, at, index, module.function_name(index))


def _check_signatures(types: list[FuncType]) -> None:
    """The signature words of distinct types must differ, or an indirect call could take one for the other."""
    seen: dict[int, str] = {}
    for function_type in types:
        text = signature.string(function_type)
        if seen.setdefault(signature.word(function_type), text) != text:
            raise Unsupported(f"the types {text} and {seen[signature.word(function_type)]} have one signature word", 0)


def _check_counts(plan: Plan) -> None:
    """What the operand of a request must hold, and what the device can count."""
    module = plan.wasm
    at = {name: offset for name, offset, _ in module.sections}
    unit = module.memory_types[0].page if module.memory_types else PAGE
    for part, count, most, what in (
        ("memory", plan.memory.pages, layout.MOST_PAGES * PAGE // unit, "pages"),
        ("table", len(module.table_types), layout.MOST_TABLES, "tables"),
        ("element", len(module.elements), layout.MOST_ELEMENTS, "element segments"),
        ("data", len(module.data), layout.MOST_OPERANDS, "data segments"),
        ("import", module.imported_function_count, layout.MOST_OPERANDS, "imported functions"),
        ("memory", plan.memory.size, layout.MOST_PAGES * PAGE, "bytes of linear memory with its app heap"),
    ):
        if count > most:
            raise Unsupported(f"{count} {what}, the limit is {most}", at.get(part, 0))
    for i, table_type in enumerate(module.table_types):
        if table_type.limits.minimum > layout.MOST_ENTRIES:
            reason = f"table {i} has {table_type.limits.minimum} entries, the limit is {layout.MOST_ENTRIES}"
            raise Unsupported(reason, at.get("table", 0))


def check(plan: Plan) -> None:
    """Raise Unsupported for the first thing in a valid module that cannot be compiled."""
    module = plan.wasm
    _check_counts(plan)
    _check_signatures(module.types)
    for i, function in enumerate(module.functions):
        _check_function(module, module.imported_function_count + i, function)
