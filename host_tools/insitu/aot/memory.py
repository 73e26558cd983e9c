"""Linear memory as compiled code sees it. Every bounds check of the sandbox is made in this file.

What is left out names the invariant that allows it: docs/SANDBOX.md has who verifies it.

Where memory is fixed (it cannot grow and no other instance shares it), it begins at the instance pointer and
its size is a constant: an access is one comparison with a constant and one load. Elsewhere base and size are
read from the instance block, which the runtime updates when memory grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot import alignment, window
from insitu.aot.two_paths import TwoPaths
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.function import FunctionBuilder


# name: (IR type in memory, bytes, conversion to the value's type, the value's type)
LOADS = {
    "i32.load": ("i32", 4, "", "i32"),
    "i64.load": ("i64", 8, "", "i64"),
    "f32.load": ("float", 4, "", "float"),
    "f64.load": ("double", 8, "", "double"),
    "i32.load8_s": ("i8", 1, "sext", "i32"),
    "i32.load8_u": ("i8", 1, "zext", "i32"),
    "i32.load16_s": ("i16", 2, "sext", "i32"),
    "i32.load16_u": ("i16", 2, "zext", "i32"),
    "i64.load8_s": ("i8", 1, "sext", "i64"),
    "i64.load8_u": ("i8", 1, "zext", "i64"),
    "i64.load16_s": ("i16", 2, "sext", "i64"),
    "i64.load16_u": ("i16", 2, "zext", "i64"),
    "i64.load32_s": ("i32", 4, "sext", "i64"),
    "i64.load32_u": ("i32", 4, "zext", "i64"),
}
# name: (IR type in memory, bytes, the value's type)
STORES = {
    "i32.store": ("i32", 4, "i32"),
    "i64.store": ("i64", 8, "i64"),
    "f32.store": ("float", 4, "float"),
    "f64.store": ("double", 8, "double"),
    "i32.store8": ("i8", 1, "i32"),
    "i32.store16": ("i16", 2, "i32"),
    "i64.store8": ("i8", 1, "i64"),
    "i64.store16": ("i16", 2, "i64"),
    "i64.store32": ("i32", 4, "i64"),
}


def _size(f: FunctionBuilder) -> str:
    memory = f.plan.memory
    if memory.fixed:
        return str(memory.size)  # invariant: memory-constant
    return f.load_header("i32", layout.INSTANCE_MEMORY_SIZE, "memory")


def _base(f: FunctionBuilder) -> str:
    if f.plan.memory.fixed:
        return "%inst"  # invariant: memory-constant
    return f.load_header("ptr", layout.INSTANCE_MEMORY_BASE, "memory")  # invariant: memory-current


def checked_address(f: FunctionBuilder, address: str, offset: int, width: int) -> str:
    """Trap unless address + offset .. + width lies in memory or its slack; the pointer to it otherwise.

    Nothing is asked where checks before this one say that it does (ranges.py).
    address is an i32 operand, offset the memarg's, width the access's in bytes. The sum is not computed:
    address > size - (offset + width) cannot overflow once offset + width is known to fit.
    """
    memory, reach = f.plan.memory, offset + width
    if f.ranges.at_most(address, memory.size + memory.slack - reach):
        pass  # invariants: memory-constant, memory-minimum
    elif memory.fixed:
        if reach > memory.size:
            f.trap_if("true", layout.TRAP_OUT_OF_BOUNDS_MEMORY)
        else:
            limit = memory.limit(offset, width)
            f.trap_if(f.value(f"icmp ugt i32 {address}, {limit}"), layout.TRAP_OUT_OF_BOUNDS_MEMORY)
            f.ranges.note_check(address, limit)
    elif reach >= 1 << 32:
        f.trap_if("true", layout.TRAP_OUT_OF_BOUNDS_MEMORY)
    else:
        size = _size(f)
        if reach > memory.size:  # what lies below is always there; invariant: memory-minimum
            f.trap_if(f.value(f"icmp ult i32 {size}, {reach}"), layout.TRAP_OUT_OF_BOUNDS_MEMORY)
        highest = f.value(f"sub nuw i32 {size}, {reach}")
        f.trap_if(f.value(f"icmp ugt i32 {address}, {highest}"), layout.TRAP_OUT_OF_BOUNDS_MEMORY)
        if not memory.window:  # where what is known of an address is that it lies in the window
            f.ranges.note_check(address, memory.size - reach)
    pointer = f.value(f"getelementptr i8, ptr {_base(f)}, i32 {address}")
    if offset:
        signed = offset - (1 << 32) if offset >= 1 << 31 else offset
        pointer = f.value(f"getelementptr i8, ptr {pointer}, i32 {signed}")
    return pointer


def _checked_range(f: FunctionBuilder, address: str, length: str) -> str:
    """The same for a run of length bytes (both i32 operands); a run of none may begin at the very end."""
    size = _size(f)
    too_long = f.value(f"icmp ugt i32 {length}, {size}")
    highest = f.value(f"sub i32 {size}, {length}")
    too_high = f.value(f"icmp ugt i32 {address}, {highest}")
    f.trap_if(f.value(f"or i1 {too_long}, {too_high}"), layout.TRAP_OUT_OF_BOUNDS_MEMORY)
    return f.value(f"getelementptr i8, ptr {_base(f)}, i32 {address}")


def emit_load(f: FunctionBuilder, name: str, memarg: tuple[int, int]) -> None:
    """A load."""
    memory_type, width, conversion, result = LOADS[name]
    address = f.pop()
    if isinstance(f, TwoPaths):

        def near_load(pointer: str) -> str:
            return alignment.load(f, memory_type, width, pointer, address, memarg)

        window.emit_load(f, LOADS[name], address, memarg[1], near_load)
        return
    pointer = checked_address(f, address, memarg[1], width)
    loaded = alignment.load(f, memory_type, width, pointer, address, memarg)
    if conversion:
        loaded = f.value(f"{conversion} {memory_type} {loaded} to {result}")
    f.push(result, loaded)


def emit_store(f: FunctionBuilder, name: str, memarg: tuple[int, int]) -> None:
    """A store."""
    memory_type, width, value_type = STORES[name]
    value, address = f.pop(), f.pop()
    if isinstance(f, TwoPaths):

        def near_store(pointer: str) -> None:
            near = value if memory_type == value_type else f.value(f"trunc {value_type} {value} to {memory_type}")
            alignment.store(f, memory_type, width, near, pointer, address, memarg)

        window.emit_store(f, STORES[name], address, memarg[1], value, near_store)
        return
    pointer = checked_address(f, address, memarg[1], width)
    if memory_type != value_type:
        value = f.value(f"trunc {value_type} {value} to {memory_type}")
    alignment.store(f, memory_type, width, value, pointer, address, memarg)


def emit_memory_size(f: FunctionBuilder) -> None:
    """memory.size, in pages."""
    memory = f.plan.memory
    if memory.fixed:
        f.push("i32", str(memory.pages))
    else:
        f.push("i32", f.load_header("i32", layout.INSTANCE_MEMORY_PAGES, "memory"))


def emit_memory_grow(f: FunctionBuilder) -> None:
    """memory.grow: the runtime moves memory; where the module's limits forbid it, -1 at once."""
    if f.plan.memory.fixed:
        none = f.value(f"icmp eq i32 {f.pop()}, 0")
        f.push("i32", f.value(f"select i1 {none}, i32 {f.plan.memory.pages}, i32 -1"))
        return
    f.request(layout.REQUEST_MEMORY_GROW, 0, [("i32", f.pop())])
    f.push("i32", f.load_argument(0, "i32"))


def emit_memory_fill(f: FunctionBuilder) -> None:
    """memory.fill: destination, value, length."""
    length, value, destination = f.pop(), f.pop(), f.pop()
    if f.plan.memory.window:
        window.emit_fill(f, destination, value, length)
        return
    pointer = _checked_range(f, destination, length)
    byte = f.value(f"trunc i32 {value} to i8")
    f.line(f"call void @llvm.memset.p0.i32(ptr align 1 {pointer}, i8 {byte}, i32 {length}, i1 false)")


def emit_memory_copy(f: FunctionBuilder) -> None:
    """memory.copy: destination, source, length; both runs are checked before a byte moves."""
    length, source, destination = f.pop(), f.pop(), f.pop()
    if f.plan.memory.window:
        window.emit_copy(f, destination, source, length)
        return
    read = _checked_range(f, source, length)
    write = _checked_range(f, destination, length)
    f.line(f"call void @llvm.memmove.p0.p0.i32(ptr align 1 {write}, ptr align 1 {read}, i32 {length}, i1 false)")


def emit_memory_init(f: FunctionBuilder, segment: int) -> None:
    """memory.init: the runtime copies from the segment where it lies in flash."""
    length, source, destination = f.pop(), f.pop(), f.pop()
    f.request(layout.REQUEST_MEMORY_INIT, segment, [("i32", destination), ("i32", source), ("i32", length)])
