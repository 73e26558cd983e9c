"""Calls: direct, and through a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot import signature, tables
from insitu.aot.ir_types import ir_types, result_type
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.constant_tables import Entries
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


def _call(f: FunctionBuilder, code: str, instance: str, function_type: FuncType, arguments: list[str]) -> list[str]:
    """Call code (an operand or @name) with an instance pointer, of an IR type; its results."""
    params, results = ir_types(function_type.params), ir_types(function_type.results)
    passed = "".join(f", {t} {v}" for t, v in zip(params, arguments, strict=True))
    returned = result_type(results)
    text = f"notail call {returned} {code}({instance}{passed})"
    if not results:
        f.line(text)
        return []
    whole = f.value(text)
    if len(results) == 1:
        return [whole]
    return [f.value(f"extractvalue {returned} {whole}, {i}") for i in range(len(results))]


def _call_function(f: FunctionBuilder, index: int, arguments: list[str]) -> list[str]:
    """Call a function of this module, or an import's wrapper; its results."""
    return _call(f, f"@f{index}", f"{f.plan.instance(index)} %inst", f.plan.function_type(index), arguments)


def _push_results(f: FunctionBuilder, function_type: FuncType, results: list[str]) -> None:
    for ir_type, operand in zip(ir_types(function_type.results), results, strict=True):
        f.push(ir_type, operand)


def emit_call(f: FunctionBuilder, index: int) -> None:
    """A call of this module's function, or of an import's wrapper: a direct branch either way.

    Its type is not looked at; invariant: valid-module.
    """
    function_type = f.plan.function_type(index)
    arguments = f.pop_many(len(function_type.params))
    if index < f.plan.wasm.imported_function_count and any(label.kind == "loop" for label in f.labels):
        results = _call_import(f, index, function_type, arguments)
    else:
        results = _call_function(f, index, arguments)
    _push_results(f, function_type, results)


def _call_import(f: FunctionBuilder, index: int, function_type: FuncType, arguments: list[str]) -> list[str]:
    """In a loop, where 20 to 40 bytes are worth it: another instance's function where the slot has one; its results.

    It is of the import's type and alive; invariant: import-slot. Otherwise the wrapper, which leaves for Python.
    """
    linked, python, end = f.name("linked"), f.name("python"), f.name("called")
    slot = f.plan.import_slots[index]
    code = f.value(f"load ptr, ptr {f.instance_pointer(slot)}, align 4, !invariant.load !{{}}")
    f.line(f"br i1 {f.value(f'icmp eq ptr {code}, null')}, label %{python}, label %{linked}")
    f.start_block(linked)
    owner = f.instance_pointer(slot - layout.IMPORT_SLOT_INSTANCE)
    instance = f.value(f"load ptr, ptr {owner}, align 4, !invariant.load !{{}}")
    incoming = [(linked, _call(f, code, f"ptr {instance}", function_type, arguments))]
    f.line(f"br label %{end}")
    f.start_block(python)
    incoming.append((python, _call_function(f, index, arguments)))
    f.line(f"br label %{end}")
    f.start_block(end)
    return f.phis(ir_types(function_type.results), incoming)


def emit_call_indirect(f: FunctionBuilder, immediate: tuple[int, int]) -> None:
    """A call through a table: bounds, then the signature word before the code; or of few functions, known at build.

    That the word stands for the type, and the instance for the code, is not asked; invariants: signature-word, funcref.
    """
    type_index, table_index = immediate
    function_type, index = f.plan.wasm.types[type_index], f.pop()
    arguments = f.pop_many(len(function_type.params))
    if immediate in f.plan.choices:
        _call_chosen(f, table_index, index, f.plan.choices[immediate], function_type, arguments)
        return
    entry = tables.checked_entry(f, table_index, index, layout.TRAP_UNDEFINED_ELEMENT)
    code, word = tables.signature_word(f, entry)
    same = f.value(f"icmp eq i32 {word}, {signature.word(function_type)}")
    f.signature_failures.append((word, f.block))
    go_on = f.name("b")
    f.line(f"br i1 {same}, label %{go_on}, label %{f.shared('signature')}, !prof !likely")
    f.start_block(go_on)
    instance = "%inst"  # invariant: table-entries
    if immediate not in f.plan.own_callees:
        owner = f.value(f"getelementptr i8, ptr {entry}, i32 4")
        instance = f.value(f"load ptr, ptr {owner}, align 4, !tbaa !table")
    _push_results(f, function_type, _call(f, code, f"ptr {instance}", function_type, arguments))


def _call_chosen(
    f: FunctionBuilder,
    table_index: int,
    index: str,
    choices: Entries,
    function_type: FuncType,
    arguments: list[str],
) -> None:
    """Direct calls of the functions that choices names; what the index is otherwise, the table is asked.

    Its entry has none of this type, so that one of the three traps is sure; invariant: table-entries.
    """
    blocks = {function: f.name("callee") for function in dict.fromkeys(choices.values())}
    end = f.name("called")
    cases = " ".join(f"i32 {entry}, label %{blocks[function]}" for entry, function in choices.items())
    weights = ", ".join(["i32 1", *["i32 1048575"] * len(choices)])
    f.element_failures.setdefault(table_index, []).append((index, f.block))
    failure = f.shared(f"element{table_index}")
    f.line(f'switch i32 {index}, label %{failure} [ {cases} ], !prof !{{!"branch_weights", {weights}}}')
    incoming = []
    for function, block in blocks.items():
        f.start_block(block)
        incoming.append((block, _call_function(f, function, arguments)))
        f.line(f"br label %{end}")
    if not blocks:
        f.leave_unreachable()
        return
    f.start_block(end)
    _push_results(f, function_type, f.phis(ir_types(function_type.results), incoming))


def emit_element_failure(f: FunctionBuilder, table_index: int, incoming: list[tuple[str, str]]) -> None:
    """The cold block of a table that an index leads to whose entry cannot be called; index and block of each edge."""
    f.start_shared(f"element{table_index}")
    edges = ", ".join(f"[ {index}, %{block} ]" for index, block in incoming)
    index = f.value(f"phi i32 {edges}")
    entry = tables.checked_entry(f, table_index, index, layout.TRAP_UNDEFINED_ELEMENT)
    _, word = tables.signature_word(f, entry)
    f.signature_failures.append((word, f.block))
    f.line(f"br label %{f.shared('signature')}")
