"""From instructions to IR: the loop over a function's body, and the table of who emits what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from insitu.aot import atomics, calls, locations, memory, tables, variables
from insitu.aot.function import FunctionBuilder
from insitu.aot.ir_types import ir_types
from insitu.aot.needs import Needs
from insitu.aot.numeric import NUMERIC, float_literal
from insitu.aot.ranges import set_in_loops
from insitu.aot.two_paths import TwoPaths
from insitu.port.xip import layout
from insitu.wasm.opcodes import OPCODES, codes

if TYPE_CHECKING:
    from insitu.aot.plan import Plan
    from insitu.wasm.module import Function
    from insitu.wasm.types import FuncType

Emit = Callable[[FunctionBuilder, Any], None]


def _ir_types(f: FunctionBuilder, block_type: FuncType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ir_types(block_type.params), ir_types(block_type.results)


def _block(f: FunctionBuilder, block_type: FuncType) -> None:
    f.open("block", *_ir_types(f, block_type))


def _loop(f: FunctionBuilder, block: tuple[FuncType, set[int]]) -> None:
    """The type, and the locals that the loop sets."""
    block_type, changed = block
    i32 = {local for local in changed if f.local_types[local] == "i32"}
    f.open_loop(*_ir_types(f, block_type), i32)


def _if(f: FunctionBuilder, block_type: FuncType) -> None:
    f.open_if(*_ir_types(f, block_type))


def _branch(f: FunctionBuilder, depth: int) -> None:
    f.line(f"br label %{f.edge_to(depth)}")
    f.leave_unreachable()


def _branch_if(f: FunctionBuilder, depth: int) -> None:
    condition = f.pop_condition()
    target, go_on = f.edge_to(depth), f.name("b")
    f.line(f"br i1 {condition}, label %{target}, label %{go_on}")
    f.follow(go_on)


def _branch_table(f: FunctionBuilder, table: tuple[tuple[int, ...], int]) -> None:
    """A switch. Each distinct label gets a block of its own, so that a phi has one edge from each."""
    depths, default = table
    index = f.pop()
    blocks = {depth: f.name("case") for depth in dict.fromkeys((*depths, default))}
    cases = " ".join(f"i32 {i}, label %{blocks[depth]}" for i, depth in enumerate(depths) if depth != default)
    f.line(f"switch i32 {index}, label %{blocks[default]} [ {cases} ]")
    for depth, block in blocks.items():
        f.start_block(block)
        f.line(f"br label %{f.edge_to(depth)}")
    f.leave_unreachable()


def _return(f: FunctionBuilder, _: object) -> None:
    _branch(f, len(f.labels) - 1)


def _unreachable(f: FunctionBuilder, _: object) -> None:
    f.trap_always(layout.TRAP_UNREACHABLE)
    f.leave_unreachable()


def _drop(f: FunctionBuilder, _: object) -> None:
    f.pop()


def _nop(f: FunctionBuilder, _: object) -> None:
    """Nothing."""


def _select(f: FunctionBuilder, _: object) -> None:
    condition = f.pop_condition()
    other = f.pop()
    ir_type, chosen = f.stack.pop()
    f.push(ir_type, f.value(f"select i1 {condition}, {ir_type} {chosen}, {ir_type} {other}"))
    if ir_type == "i32":
        f.ranges.note_choice(f.stack[-1][1], chosen, other)


def _integer_constant(ir_type: str) -> Emit:
    def emit(f: FunctionBuilder, value: int) -> None:
        f.push(ir_type, str(value))

    return emit


def _numeric(emit: Callable[[FunctionBuilder], None]) -> Emit:
    return lambda f, _: emit(f)


def _load(name: str) -> Emit:
    return lambda f, memarg: memory.emit_load(f, name, memarg)


def _store(name: str) -> Emit:
    return lambda f, memarg: memory.emit_store(f, name, memarg)


def _f32_constant(f: FunctionBuilder, bits: int) -> None:
    import struct

    if bits & 0x7F800000 == 0x7F800000 and bits & 0x7FFFFF:
        f.push("float", f.value(f"bitcast i32 {bits} to float"))
    else:
        f.push("float", float_literal(struct.unpack("<f", struct.pack("<I", bits))[0]))


def _f64_constant(f: FunctionBuilder, bits: int) -> None:
    if bits & 0x7FF0000000000000 == 0x7FF0000000000000 and bits & 0xFFFFFFFFFFFFF:
        f.push("double", f.value(f"bitcast i64 {bits} to double"))
    else:
        f.push("double", f"0x{bits:016X}")


def _by_name() -> dict[str, Emit]:
    table: dict[str, Emit] = {
        "unreachable": _unreachable,
        "nop": _nop,
        "block": _block,
        "loop": _loop,
        "if": _if,
        "br": _branch,
        "br_if": _branch_if,
        "br_table": _branch_table,
        "return": _return,
        "call": calls.emit_call,
        "call_indirect": calls.emit_call_indirect,
        "drop": _drop,
        "select": _select,
        "select_t": _select,
        "local.get": variables.emit_local_get,
        "local.set": variables.emit_local_set,
        "local.tee": variables.emit_local_tee,
        "global.get": variables.emit_global_get,
        "global.set": variables.emit_global_set,
        "memory.size": lambda f, _: memory.emit_memory_size(f),
        "memory.grow": lambda f, _: memory.emit_memory_grow(f),
        "memory.fill": lambda f, _: memory.emit_memory_fill(f),
        "memory.copy": lambda f, _: memory.emit_memory_copy(f),
        "memory.init": lambda f, segment: memory.emit_memory_init(f, first(segment)),
        "data.drop": lambda f, segment: f.request(layout.REQUEST_DATA_DROP, segment, []),
        "elem.drop": lambda f, segment: f.request(layout.REQUEST_ELEM_DROP, segment, []),
        "table.get": tables.emit_table_get,
        "table.set": tables.emit_table_set,
        "table.size": tables.emit_table_size,
        "table.grow": tables.emit_table_grow,
        "table.fill": tables.emit_table_fill,
        "table.init": tables.emit_table_init,
        "table.copy": tables.emit_table_copy,
        "atomic.fence": lambda f, _: atomics.emit_fence(f),
        "ref.null": tables.emit_null,
        "ref.is_null": lambda f, _: tables.emit_is_null(f),
        "ref.func": tables.emit_ref_func,
        "i32.const": _integer_constant("i32"),
        "i64.const": _integer_constant("i64"),
        "f32.const": _f32_constant,
        "f64.const": _f64_constant,
    }
    table |= {name: _numeric(emit) for name, emit in NUMERIC.items()}
    table |= {name: _load(name) for name in memory.LOADS}
    table |= {name: _store(name) for name in memory.STORES}
    table |= atomics.ACCESSES | atomics.WAITING
    return table


def first(immediate: Any) -> int:
    """The first of an immediate that may be one index or several."""
    return int(immediate[0] if isinstance(immediate, tuple) else immediate)


_BY_NAME = _by_name()
EMITTERS: dict[int, Emit] = {code: _BY_NAME[op.name] for code, op in OPCODES.items() if op.name in _BY_NAME}
_BLOCK, _LOOP, _IF, _ELSE, _END = codes("block", "loop", "if", "else", "end")


def build_body(plan: Plan, index: int, function: Function) -> str:
    """The IR of a validated function's body: its blocks, from "entry:" on."""
    if not plan.memory.window:
        return _written(FunctionBuilder(plan), index, function)
    first = TwoPaths(plan, function.body, Needs(), {}, survey=True)
    _written(first, index, function)
    needs, carried = Needs(), first.to_carry()
    _written(TwoPaths(plan, function.body, needs, carried, survey=True), index, function)
    return _written(TwoPaths(plan, function.body, needs, carried, survey=False), index, function)


def _written(f: FunctionBuilder, index: int, function: Function) -> str:
    plan, function_type = f.plan, f.plan.wasm.types[function.type_index]
    params, results = _ir_types(f, function_type)
    f.start_block("entry")
    f.local_types = [*params, *ir_types(function.locals)]
    variables.declare_locals(f, len(params), function.locals)
    if plan.calls(function):  # what calls nothing is not checked; invariant: stack-guard
        f.line("call void @insitu_stack_check(ptr %inst)")
    f.ranges.forget(i for i, held in enumerate(f.local_types) if held == "i32")
    f.open("function", (), results)
    skipped, changed = 0, set_in_loops(function.body)
    for at, (opcode, immediate, offset) in enumerate(function.body):
        if f.reachable:
            if plan.located:
                f.location = locations.at(offset - function.offset, index)
            f.begin(at)
            if opcode == _END:
                f.close()
            elif opcode == _ELSE:
                f.begin_else()
            else:
                f.emit(partial(EMITTERS[opcode], f, (immediate, changed[at]) if opcode == _LOOP else immediate))
        elif opcode in (_BLOCK, _LOOP, _IF):
            skipped += 1
        elif opcode == _END:
            if skipped:
                skipped -= 1
            else:
                f.close()
        elif opcode == _ELSE and not skipped:
            f.begin_else()
    if f.reachable:
        calls.emit_return(f, results, f.pop_many(len(results)))
    for table_index, incoming in f.element_failures.items():
        calls.emit_element_failure(f, table_index, incoming)
    return f.finish()
