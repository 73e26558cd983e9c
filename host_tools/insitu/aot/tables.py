"""Tables and references as compiled code sees them. The bounds checks of tables are made in this file.

A funcref is an i64: its code address and, above it, its instance pointer, as it lies in tables, globals and the
args area. Null is an address in the runtime cell (layout.CELL_NULL_CODE), and 0. An externref is an i32, 0 is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot.ir_types import ir_type
from insitu.port.xip import layout
from insitu.wasm.types import ValType

if TYPE_CHECKING:
    from insitu.aot.function import FunctionBuilder
    from insitu.aot.plan import Table


def _length(f: FunctionBuilder, table: Table) -> str:
    if table.fixed:
        return str(table.length)  # invariant: table-constant
    at = f.instance_pointer(table.slot - layout.TABLE_SLOT_LENGTH)
    return f.value(f"load i32, ptr {at}, align 4, !tbaa !table")


def checked_entry(f: FunctionBuilder, index: int, operand: str, trap: int) -> str:
    """Pointer to entry operand (an i32) of table index; traps where the table has no such entry."""
    table = f.plan.tables[index]
    f.trap_if(f.value(f"icmp uge i32 {operand}, {_length(f, table)}"), trap)
    if table.fixed:
        entries = f.instance_pointer(table.entries)
    else:
        # invariant: table-current
        entries = f.value(f"load ptr, ptr {f.instance_pointer(table.slot)}, align 4, !tbaa !table")
    return f.value(f"getelementptr {ir_type(table.element)}, ptr {entries}, i32 {operand}")


def signature_word(f: FunctionBuilder, entry: str) -> tuple[str, str]:
    """Operands of the code that a funcref's entry holds, and of the signature word before it; invariant: funcref."""
    code = f.value(f"load ptr, ptr {entry}, align 4, !tbaa !table")
    before = f.value(f"getelementptr i8, ptr {code}, i32 {-4 - f.plan.target.code_bit}")
    return code, f.value(f"load i32, ptr {before}, align 4, !invariant.load !{{}}")


def emit_table_get(f: FunctionBuilder, index: int) -> None:
    """table.get."""
    entry = checked_entry(f, index, f.pop(), layout.TRAP_OUT_OF_BOUNDS_TABLE)
    held = ir_type(f.plan.tables[index].element)
    f.push(held, f.value(f"load {held}, ptr {entry}, align 4, !tbaa !table"))


def emit_table_set(f: FunctionBuilder, index: int) -> None:
    """table.set."""
    reference, operand = f.pop(), f.pop()
    entry = checked_entry(f, index, operand, layout.TRAP_OUT_OF_BOUNDS_TABLE)
    f.line(f"store {ir_type(f.plan.tables[index].element)} {reference}, ptr {entry}, align 4, !tbaa !table")


def emit_table_size(f: FunctionBuilder, index: int) -> None:
    """table.size."""
    f.push("i32", _length(f, f.plan.tables[index]))


def emit_table_grow(f: FunctionBuilder, index: int) -> None:
    """table.grow: the runtime moves the table."""
    count, reference = f.pop(), f.pop()
    f.request(layout.REQUEST_TABLE_GROW, index, [("i32", count), (ir_type(f.plan.tables[index].element), reference)])
    f.push("i32", f.load_argument(0, "i32"))


def emit_table_fill(f: FunctionBuilder, index: int) -> None:
    """table.fill."""
    start, reference, count = f.pop_many(3)
    held = ir_type(f.plan.tables[index].element)
    f.request(layout.REQUEST_TABLE_FILL, index, [("i32", start), (held, reference), ("i32", count)])


def _run(f: FunctionBuilder) -> list[tuple[str, str]]:
    """Destination, source and length, in the order of the args area."""
    return [("i32", operand) for operand in f.pop_many(3)]


def emit_table_init(f: FunctionBuilder, immediate: tuple[int, int]) -> None:
    """table.init; immediate is (segment, table) as the binary format has them."""
    segment, table = immediate
    f.request(layout.REQUEST_TABLE_INIT, table << layout.TABLE_SHIFT | segment, _run(f))


def emit_table_copy(f: FunctionBuilder, immediate: tuple[int, int]) -> None:
    """table.copy; immediate is (destination table, source table)."""
    destination, source = immediate
    f.request(layout.REQUEST_TABLE_COPY, destination << layout.TABLE_SHIFT | source, _run(f))


# --- references ---


def null(f: FunctionBuilder, reftype: ValType) -> str:
    """Operand of a null reference. Nothing asks whether a funcref is null before it is called; invariant: funcref."""
    if reftype is ValType.externref:
        return "0"
    cell = f.load_header("ptr", layout.INSTANCE_RUNTIME, "runtime")
    code = f.value(f"getelementptr i8, ptr {cell}, i32 {layout.CELL_NULL_CODE + f.plan.target.code_bit}")
    return f.value(f"zext i32 {f.value(f'ptrtoint ptr {code} to i32')} to i64")


def emit_null(f: FunctionBuilder, reftype: ValType) -> None:
    """ref.null."""
    f.push(ir_type(reftype), null(f, reftype))


def emit_is_null(f: FunctionBuilder) -> None:
    """ref.is_null: of funcrefs, all that are null are the same."""
    held, reference = f.stack.pop()
    reftype = ValType.funcref if held == "i64" else ValType.externref
    f.push_condition(f.value(f"icmp eq {held} {reference}, {null(f, reftype)}"))


def _funcref(f: FunctionBuilder, code: str, instance: str) -> str:
    """The i64 of two pointers."""
    low, high = (f.value(f"ptrtoint ptr {pointer} to i32") for pointer in (code, instance))
    low, high = (f.value(f"zext i32 {word} to i64") for word in (low, high))
    return f.value(f"or i64 {low}, {f.value(f'shl i64 {high}, 32')}")


def emit_ref_func(f: FunctionBuilder, index: int) -> None:
    """ref.func: of an import, the function of the instance that provides it, if one does."""
    own = _funcref(f, f"@f{index}", "%inst")
    if index < f.plan.wasm.imported_function_count:
        at = f.instance_pointer(f.plan.import_slots[index])
        linked = f.value(f"load i64, ptr {at}, align 4, !invariant.load !{{}}")
        code = f.value(f"trunc i64 {linked} to i32")
        own = f.value(f"select i1 {f.value(f'icmp eq i32 {code}, 0')}, i64 {own}, i64 {linked}")
    f.push("i64", own)
