"""Local and global variables. Locals are stack slots that LLVM's mem2reg makes into SSA values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot import tables
from insitu.aot.ir_types import ir_type
from insitu.port.xip import layout
from insitu.wasm.types import ValType

if TYPE_CHECKING:
    from insitu.aot.function import FunctionBuilder

ZERO = {"i32": "0", "i64": "0", "float": "0.0", "double": "0.0"}


def declare_locals(f: FunctionBuilder, parameter_count: int, local_types: list[ValType]) -> None:
    """Slots for parameters and locals, filled with arguments, and zeros or null."""
    for i, held in enumerate(f.local_types):
        f.line(f"%l{i} = alloca {held}")
    null = tables.null(f, ValType.funcref) if ValType.funcref in local_types else ""
    for i, held in enumerate(f.local_types):
        if i < parameter_count:
            initial = f"%a{i}"
        else:
            initial = null if local_types[i - parameter_count] is ValType.funcref else ZERO[held]
        f.line(f"store {held} {initial}, ptr %l{i}")


def emit_local_get(f: FunctionBuilder, index: int) -> None:
    held = f.local_types[index]
    if index not in f.held:
        f.held[index] = f.local(index)
        if held == "i32":
            f.ranges.note_get(f.held[index], index)
    f.push(held, f.held[index])


def emit_local_set(f: FunctionBuilder, index: int) -> None:
    emit_local_tee(f, index)
    f.pop()


def emit_local_tee(f: FunctionBuilder, index: int) -> None:
    held, (_, value) = f.local_types[index], f.stack[-1]
    f.line(f"store {held} {value}, ptr %l{index}")
    f.held[index] = value
    if held == "i32":
        f.ranges.note_set(index, value)


def _global_pointer(f: FunctionBuilder, index: int) -> str:
    """Where the global's value is: in this instance's block, or where an imported one's slot points.

    invariant: import-slot
    """
    slot = f.instance_pointer(f.plan.global_slots[index])
    if index < f.plan.imported_globals:
        return f.value(f"load ptr, ptr {slot}, align 4, !invariant.load !{{}}")
    return slot


def emit_global_get(f: FunctionBuilder, index: int) -> None:
    held = ir_type(f.plan.wasm.global_types[index].valtype)
    f.push(held, f.value(f"load {held}, ptr {_global_pointer(f, index)}, align 4, !tbaa !global"))
    if f.plan.aux_stack.pointer == index:
        f.ranges.note_pointer(f.stack[-1][1])


def emit_global_set(f: FunctionBuilder, index: int) -> None:
    """A store; of the aux stack pointer only within the aux stack's bounds, as WAMR checks it."""
    value, held = f.pop(), ir_type(f.plan.wasm.global_types[index].valtype)
    if f.plan.aux_stack.pointer == index:
        _check_aux_stack(f, value)
    f.line(f"store {held} {value}, ptr {_global_pointer(f, index)}, align 4, !tbaa !global")


def _check_aux_stack(f: FunctionBuilder, value: str) -> None:
    """Its bottom is the running call's (port/run/aux_parts.py), and what is given back does not come to it.

    Its top, a constant, tells LLVM where frames are, so that it leaves out checks of accesses to them. Below address 0
    the pointer wraps to a high one.
    """
    f.branch_unless(f.value(f"icmp ule i32 {value}, {f.plan.aux_stack.top}"), "aux")
    f.trap_if(f.value(f"icmp slt i32 {value}, 0"), layout.TRAP_AUX_STACK_OVERFLOW)
    f.trap_always(layout.TRAP_AUX_STACK_UNDERFLOW)
    f.resume()
    if not f.ranges.is_above_pointer(value):
        bottom = f.load_header("i32", layout.INSTANCE_AUX_BOTTOM, "memory")
        f.trap_if(f.value(f"icmp ult i32 {value}, {bottom}"), layout.TRAP_AUX_STACK_OVERFLOW)
