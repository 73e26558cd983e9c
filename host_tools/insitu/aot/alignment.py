"""Loads and stores of linear memory, once their address is checked, on CPUs that take any address and on others.

A memarg's alignment is a hint that may be wrong (section 4.4.7.1 of the standard). Where the CPU takes any address,
LLVM is told that there is no alignment. Where it faults, an access whose hint says that it is aligned looks at
the address: one word, halfword or pair of words on the way, single bytes in a cold block; any other goes by bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insitu.aot.function import FunctionBuilder

_WORD = 4  # what wider values are read and written by, and so aligned to


def load(f: FunctionBuilder, ir_type: str, width: int, pointer: str, address: str, memarg: tuple[int, int]) -> str:
    """The value at pointer, width bytes; it is the linear memory's byte at address + the memarg's offset."""
    aligned = min(width, _WORD)
    if not _looks(f, aligned, memarg):
        return f.value(f"load {ir_type}, ptr {pointer}, align 1, !tbaa !memory")
    fast, slow, end = f.name("aligned"), f.name("bytes"), f.name("b")
    _branch(f, aligned, address, memarg[1], fast, slow)
    f.start_block(fast)
    whole = f.value(f"load {ir_type}, ptr {pointer}, align {aligned}, !tbaa !memory")
    f.line(f"br label %{end}")
    f.start_block(slow)
    pieced = _load_bytes(f, ir_type, width, pointer)
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
    fast, slow, end = f.name("aligned"), f.name("bytes"), f.name("b")
    _branch(f, aligned, address, memarg[1], fast, slow)
    f.start_block(fast)
    f.line(f"store {ir_type} {value}, ptr {pointer}, align {aligned}, !tbaa !memory")
    f.line(f"br label %{end}")
    f.start_block(slow)
    _store_bytes(f, ir_type, width, value, pointer)
    f.line(f"br label %{end}")
    f.start_block(end)


def _looks(f: FunctionBuilder, aligned: int, memarg: tuple[int, int]) -> bool:
    """Whether the address decides how the access is made."""
    return not f.plan.target.unaligned and aligned > 1 and 1 << memarg[0] >= aligned


def _branch(f: FunctionBuilder, aligned: int, address: str, offset: int, fast: str, slow: str) -> None:
    """Linear memory begins at a multiple of 8, so the low bits are those of address + offset."""
    where = f.value(f"add i32 {address}, {offset % aligned}") if offset % aligned else address
    odd = f.value(f"icmp ne i32 {f.value(f'and i32 {where}, {aligned - 1}')}, 0")
    f.line(f"br i1 {odd}, label %{slow}, label %{fast}, !prof !unlikely")


def _integer(width: int) -> str:
    return f"i{8 * width}"


def _load_bytes(f: FunctionBuilder, ir_type: str, width: int, pointer: str) -> str:
    integer, value = _integer(width), ""
    for i in range(width):
        at = f.value(f"getelementptr i8, ptr {pointer}, i32 {i}")
        byte = f.value(f"load i8, ptr {at}, align 1, !tbaa !memory")
        piece = f.value(f"zext i8 {byte} to {integer}")
        if i:
            piece = f.value(f"shl {integer} {piece}, {8 * i}")
            piece = f.value(f"or {integer} {value}, {piece}")
        value = piece
    return value if integer == ir_type else f.value(f"bitcast {integer} {value} to {ir_type}")


def _store_bytes(f: FunctionBuilder, ir_type: str, width: int, value: str, pointer: str) -> None:
    integer = _integer(width)
    if integer != ir_type:
        value = f.value(f"bitcast {ir_type} {value} to {integer}")
    for i in range(width):
        piece = f.value(f"lshr {integer} {value}, {8 * i}") if i else value
        byte = f.value(f"trunc {integer} {piece} to i8")
        at = f.value(f"getelementptr i8, ptr {pointer}, i32 {i}")
        f.line(f"store i8 {byte}, ptr {at}, align 1, !tbaa !memory")
