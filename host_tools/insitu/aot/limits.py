"""What insitu does not compile (yet), refused by name before any code is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot import memory, signature
from insitu.aot.body import EMITTERS
from insitu.wasm.errors import Unsupported
from insitu.wasm.opcodes import OPCODES

if TYPE_CHECKING:
    from insitu.wasm.module import Function, Module
    from insitu.wasm.types import FuncType

_STRUCTURE = {0x05, 0x0B}  # else, end: body.py's own
_CHECKED = memory.LOADS.keys() | memory.STORES.keys()
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
            reason = f"{OPCODES[opcode].name} (reference types) is not supported yet"
            raise Unsupported(reason, at, index, module.function_name(index))
    for valtype in function.locals:
        if valtype.is_reference:
            raise Unsupported(
                f"a local of type {valtype.name} is not supported yet",
                function.offset,
                index,
                module.function_name(index),
            )


def _check_signatures(types: list[FuncType]) -> None:
    """The signature words of distinct types must differ, or an indirect call could take one for the other."""
    seen: dict[int, str] = {}
    for function_type in types:
        text = signature.string(function_type)
        if seen.setdefault(signature.word(function_type), text) != text:
            raise Unsupported(f"the types {text} and {seen[signature.word(function_type)]} have one signature word", 0)


def check(module: Module) -> None:
    """Raise Unsupported for the first thing in a valid module that cannot be compiled."""
    for function_type in module.types:
        for valtype in (*function_type.params, *function_type.results):
            if valtype.is_reference:
                raise Unsupported(f"{valtype.name} in a function type is not supported yet", 0)
    for global_type in module.global_types:
        if global_type.valtype.is_reference:
            raise Unsupported(f"a global of type {global_type.valtype.name} is not supported yet", 0)
    for table_type in module.table_types:
        if table_type.element.name != "funcref":
            raise Unsupported(f"a table of {table_type.element.name} is not supported yet", 0)
    _check_signatures(module.types)
    for i, function in enumerate(module.functions):
        _check_function(module, module.imported_function_count + i, function)
