"""Loads and stores of linear memory, once their address is checked, on CPUs that take any address and on others.

A memarg's alignment is a hint that may be wrong (section 4.4.7.1 of the standard). Where the CPU takes any address,
LLVM is told that there is no alignment. Where it faults, an access whose hint says that it is aligned looks at
the address: one halfword, word or pair of words on the way, a helper that goes by bytes in a cold block; any other
goes by bytes at once.

Two comparisons, one of the address with its bound and one of its low bits with zero, and not one of the address
rotated right by log2 of the width: LLVM leaves out what it knows of either, and of a rotated address it knows
nothing (geometric mean of the kernels on Cortex-M0+ against native: 1.38 and 1.51).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot.function import FunctionBuilder

if TYPE_CHECKING:
    from insitu.aot.plan import Plan

_WORD = 4  # what wider values are read and written by, and so aligned to
_WIDTHS = (2, 4, 8)
_HELPER = "cold minsize noinline nounwind optsize"


def load(f: FunctionBuilder, ir_type: str, width: int, pointer: str, address: str, memarg: tuple[int, int]) -> str:
    """The value at pointer, width bytes; it is the linear memory's byte at address + the memarg's offset."""
    aligned = min(width, _WORD)
    if not _looks(f, aligned, memarg):
        return f.value(f"load {ir_type}, ptr {pointer}, align 1, !tbaa !memory")
    fast, slow, end = _branch(f, aligned, address, memarg[1])
    f.start_block(fast)
    whole = f.value(f"load {ir_type}, ptr {pointer}, align {aligned}, !tbaa !memory")
    f.line(f"br label %{end}")
    f.start_block(slow)
    pieced = f.value(f"call {_integer(width)} @load_bytes{width}(ptr {pointer}), !tbaa !memory")
    pieced = _cast(f, pieced, _integer(width), ir_type)
    f.line(f"br label %{end}")
    f.start_block(end)
    return f.value(f"phi {ir_type} [ {whole}, %{fast} ], [ {pieced}, %{slow} ]")


def store(
    f: FunctionBuilder, ir_type: str, width: int, value: str, pointer: str, address: str, memarg: tuple[int, int]
) -> None:
    """Write the value; see load."""
    aligned = min(width, _WORD)
    if not _looks(f, aligned, memarg):
        f.line(f"store {ir_type} {value}, ptr {pointer}, align 1, !tbaa !memory")
        return
    fast, slow, end = _branch(f, aligned, address, memarg[1])
    f.start_block(fast)
    f.line(f"store {ir_type} {value}, ptr {pointer}, align {aligned}, !tbaa !memory")
    f.line(f"br label %{end}")
    f.start_block(slow)
    bits = _cast(f, value, ir_type, _integer(width))
    f.line(f"call void @store_bytes{width}(ptr {pointer}, {_integer(width)} {bits}), !tbaa !memory")
    f.line(f"br label %{end}")
    f.start_block(end)


def _looks(f: FunctionBuilder, aligned: int, memarg: tuple[int, int]) -> bool:
    """Whether the address decides how the access is made."""
    return not f.plan.target.unaligned and aligned > 1 and 1 << memarg[0] >= aligned


def _branch(f: FunctionBuilder, aligned: int, address: str, offset: int) -> tuple[str, str, str]:
    """Names of three blocks: where the address is aligned, where it is not, and where both go on.

    Linear memory begins at a multiple of 8, so the low bits are those of address + offset.
    """
    fast, slow, end = f.name("aligned"), f.name("bytes"), f.name("b")
    where = f.value(f"add i32 {address}, {offset % aligned}") if offset % aligned else address
    odd = f.value(f"icmp ne i32 {f.value(f'and i32 {where}, {aligned - 1}')}, 0")
    f.line(f"br i1 {odd}, label %{slow}, label %{fast}, !prof !unlikely")
    return fast, slow, end


def _integer(width: int) -> str:
    return f"i{8 * width}"


def _cast(f: FunctionBuilder, value: str, given: str, wanted: str) -> str:
    return value if given == wanted else f.value(f"bitcast {given} {value} to {wanted}")


NAMES = frozenset(f"{verb}_bytes{width}" for verb in ("load", "store") for width in _WIDTHS)


def helpers(plan: Plan) -> list[str]:
    """The functions that load and store by bytes; those that nothing calls do not outlive LLVM's passes."""
    if plan.target.unaligned:
        return []
    return [text for width in _WIDTHS for text in (_load_bytes(plan, width), _store_bytes(plan, width))]


def _load_bytes(plan: Plan, width: int) -> str:
    f, integer, value = FunctionBuilder(plan), _integer(width), ""
    f.start_block("entry")
    for i in range(width):
        at = f.value(f"getelementptr i8, ptr %at, i32 {i}")
        byte = f.value(f"load i8, ptr {at}, align 1, !tbaa !memory")
        piece = f.value(f"zext i8 {byte} to {integer}")
        if i:
            piece = f.value(f"shl {integer} {piece}, {8 * i}")
            piece = f.value(f"or {integer} {value}, {piece}")
        value = piece
    f.line(f"ret {integer} {value}")
    return f"define internal {integer} @load_bytes{width}(ptr %at) {_HELPER} {{\n{f.finish()}\n}}"


def _store_bytes(plan: Plan, width: int) -> str:
    f, integer = FunctionBuilder(plan), _integer(width)
    f.start_block("entry")
    for i in range(width):
        piece = f.value(f"lshr {integer} %value, {8 * i}")
        byte = f.value(f"trunc {integer} {piece} to i8")
        at = f.value(f"getelementptr i8, ptr %at, i32 {i}")
        f.line(f"store i8 {byte}, ptr {at}, align 1, !tbaa !memory")
    f.line("ret void")
    return f"define internal void @store_bytes{width}(ptr %at, {integer} %value) {_HELPER} {{\n{f.finish()}\n}}"
