"""The threads proposal's instructions: atomic accesses, wait and notify.

There is one core, and another guest gets its turn only where code leaves for the runtime. So a plain load, or a load,
an operation and a store, is atomic as far as guests go. Fences that become no instruction keep LLVM from taking other
accesses across. What Python's interrupt handlers write between such a load and its store is lost: docs/threads.md.

A misaligned address traps, and that is asked before the bounds are, as wasmtime does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from insitu.aot import memory
from insitu.port.xip import layout
from insitu.wasm.opcodes import ATOMIC_WIDTHS, atomic_name

if TYPE_CHECKING:
    from insitu.aot.function import FunctionBuilder

Emit = Callable[["FunctionBuilder", tuple[int, int]], None]

_FENCE = 'fence syncscope("singlethread") seq_cst'
# LLVM's instruction for the operation of a read-modify-write; exchange has none.
_OPERATIONS = {"add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor"}


def _plain(t: str, width: int, verb: str) -> str:
    """The name of the access that is not atomic."""
    if width == int(t[1:]) // 8:
        return f"{t}.{verb}"
    return f"{t}.{verb}{8 * width}" + ("_u" if verb == "load" else "")


def _check_alignment(f: FunctionBuilder, address: str, width: int, offset: int) -> None:
    if width == 1:
        return
    where = f.value(f"add i32 {address}, {offset % width}") if offset % width else address
    low = f.value(f"and i32 {where}, {width - 1}")
    f.trap_if(f.value(f"icmp ne i32 {low}, 0"), layout.TRAP_UNALIGNED_ATOMIC)


def emit_fence(f: FunctionBuilder) -> None:
    f.line(_FENCE)


def _load(t: str, width: int) -> Emit:
    def emit(f: FunctionBuilder, memarg: tuple[int, int]) -> None:
        _check_alignment(f, f.stack[-1][1], width, memarg[1])
        memory.emit_load(f, _plain(t, width, "load"), memarg)
        f.line(_FENCE)

    return emit


def _store(t: str, width: int) -> Emit:
    def emit(f: FunctionBuilder, memarg: tuple[int, int]) -> None:
        _check_alignment(f, f.stack[-2][1], width, memarg[1])
        f.line(_FENCE)
        memory.emit_store(f, _plain(t, width, "store"), memarg)
        f.line(_FENCE)

    return emit


def _load_old(f: FunctionBuilder, t: str, width: int, address: str, memarg: tuple[int, int]) -> str:
    _check_alignment(f, address, width, memarg[1])
    f.line(_FENCE)
    f.push("i32", address)
    memory.emit_load(f, _plain(t, width, "load"), memarg)
    return f.pop()


def _store_new(f: FunctionBuilder, t: str, width: int, address: str, new: str, memarg: tuple[int, int]) -> None:
    f.push("i32", address)
    f.push(t, new)
    memory.emit_store(f, _plain(t, width, "store"), memarg)
    f.line(_FENCE)


def _modify(t: str, width: int, operation: str) -> Emit:
    def emit(f: FunctionBuilder, memarg: tuple[int, int]) -> None:
        operand, address = f.pop(), f.pop()
        old = _load_old(f, t, width, address, memarg)
        new = f.value(f"{_OPERATIONS[operation]} {t} {old}, {operand}") if operation != "xchg" else operand
        _store_new(f, t, width, address, new, memarg)
        f.push(t, old)

    return emit


def _compare_exchange(t: str, width: int) -> Emit:
    """Of what is expected, as many bits count as are loaded."""
    mask = (1 << 8 * width) - 1

    def emit(f: FunctionBuilder, memarg: tuple[int, int]) -> None:
        replacement, expected, address = f.pop(), f.pop(), f.pop()
        old = _load_old(f, t, width, address, memarg)
        if width < int(t[1:]) // 8:
            expected = f.value(f"and {t} {expected}, {mask}")
        same, end = f.name("same"), f.name("b")
        f.line(f"br i1 {f.value(f'icmp eq {t} {old}, {expected}')}, label %{same}, label %{end}")
        f.start_block(same)
        _store_new(f, t, width, address, replacement, memarg)
        f.line(f"br label %{end}")
        f.start_block(end)
        f.push(t, old)

    return emit


def _by_name() -> dict[str, Emit]:
    made: dict[str, Emit] = {}
    for t, width in ATOMIC_WIDTHS:
        made[atomic_name(t, width, "load")] = _load(t, width)
        made[atomic_name(t, width, "store")] = _store(t, width)
        made[atomic_name(t, width, "rmw.cmpxchg")] = _compare_exchange(t, width)
        for operation in (*_OPERATIONS, "xchg"):
            made[atomic_name(t, width, f"rmw.{operation}")] = _modify(t, width, operation)
    return made


ACCESSES = _by_name()


# --- wait and notify: the runtime's, which knows the tasks ---


def _checked(f: FunctionBuilder, address: str, width: int, offset: int) -> str:
    """The effective address, aligned and in bounds."""
    _check_alignment(f, address, width, offset)
    memory.checked_address(f, address, offset, width)
    return f.value(f"add i32 {address}, {offset}") if offset else address


def _wait(width: int) -> Emit:
    t = f"i{8 * width}"

    def emit(f: FunctionBuilder, memarg: tuple[int, int]) -> None:
        timeout, expected, address = f.pop(), f.pop(), f.pop()
        where = _checked(f, address, width, memarg[1])
        if not f.plan.wasm.shares_memory:
            f.trap_always(layout.TRAP_EXPECTED_SHARED_MEMORY)
            f.leave_unreachable()
            return
        f.request(layout.REQUEST_ATOMIC_WAIT, width, [("i32", where), (t, expected), ("i64", timeout)])
        f.push("i32", f.load_argument(0, "i32"))

    return emit


def _notify(f: FunctionBuilder, memarg: tuple[int, int]) -> None:
    """In a memory that is not shared nobody can wait."""
    count, address = f.pop(), f.pop()
    where = _checked(f, address, 4, memarg[1])
    if not f.plan.wasm.shares_memory:
        f.push("i32", "0")
        return
    f.request(layout.REQUEST_ATOMIC_NOTIFY, 0, [("i32", where), ("i32", count)])
    f.push("i32", f.load_argument(0, "i32"))


WAITING: dict[str, Emit] = {
    "memory.atomic.wait32": _wait(4),
    "memory.atomic.wait64": _wait(8),
    "memory.atomic.notify": _notify,
}
