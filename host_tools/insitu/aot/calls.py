"""Calls: direct, and through a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot import signature, tables
from insitu.aot.ir_types import ir_types, result_type
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.function import FunctionBuilder
    from insitu.wasm.types import FuncType


def aggregate(f: FunctionBuilder, types: tuple[str, ...], values: list[str]) -> str:
    """Several results as the one struct that an LLVM function returns."""
    struct_type, whole = result_type(types), "poison"
    for i, (ir_type, value) in enumerate(zip(types, values, strict=True)):
        whole = f.value(f"insertvalue {struct_type} {whole}, {ir_type} {value}, {i}")
    return whole


def emit_return(f: FunctionBuilder, results: tuple[str, ...], values: list[str]) -> None:
    """Return values, of the IR types results: none, one, or a struct of all."""
    if not results:
        f.line("ret void")
    elif len(results) == 1:
        f.line(f"ret {results[0]} {values[0]}")
    else:
        f.line(f"ret {result_type(results)} {aggregate(f, results, values)}")


def _call(f: FunctionBuilder, code: str, instance: str, function_type: FuncType) -> None:
    """Call code (an operand or @name) with the operands on the stack, and push its results."""
    params, results = ir_types(function_type.params), ir_types(function_type.results)
    arguments = "".join(f", {t} {v}" for t, v in zip(params, f.pop_many(len(params)), strict=True))
    returned = result_type(results)
    text = f"notail call {returned} {code}(ptr {instance}{arguments})"
    if not results:
        f.line(text)
    elif len(results) == 1:
        f.push(results[0], f.value(text))
    else:
        whole = f.value(text)
        for i, ir_type in enumerate(results):
            f.push(ir_type, f.value(f"extractvalue {returned} {whole}, {i}"))


def emit_call(f: FunctionBuilder, index: int) -> None:
    """A call of this module's function, or of an import's wrapper: a direct branch either way.

    Its type is not looked at; invariant: valid-module.
    """
    _call(f, f"@f{index}", "%inst", f.plan.function_type(index))


def emit_call_indirect(f: FunctionBuilder, immediate: tuple[int, int]) -> None:
    """A call through a table: bounds, then the signature word that lies before the code.

    That the word stands for the type, and the instance for the code, is not asked; invariants: signature-word, funcref.
    """
    type_index, table_index = immediate
    function_type = f.plan.wasm.types[type_index]
    entry = tables.checked_entry(f, table_index, f.pop(), layout.TRAP_UNDEFINED_ELEMENT)
    code = f.value(f"load ptr, ptr {entry}, align 4, !tbaa !table")
    before = f.value(f"getelementptr i8, ptr {code}, i32 {-4 - f.plan.target.code_bit}")
    word = f.value(f"load i32, ptr {before}, align 4, !invariant.load !{{}}")
    same = f.value(f"icmp eq i32 {word}, {signature.word(function_type)}")
    f.signature_failures.append((word, f.block))
    go_on = f.name("b")
    f.line(f"br i1 {same}, label %{go_on}, label %signature, !prof !likely")
    f.start_block(go_on)
    owner = f.value(f"getelementptr i8, ptr {entry}, i32 4")
    instance = f.value(f"load ptr, ptr {owner}, align 4, !tbaa !table")
    _call(f, code, instance, function_type)
