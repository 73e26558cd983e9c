"""Validation (chapter 3 of the standard; the algorithm of its appendix A.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from insitu.wasm.errors import Invalid, WasmError
from insitu.wasm.module import Expression, Function, Module
from insitu.wasm.opcodes import OPCODES, is_atomic
from insitu.wasm.types import PAGE_LOG2, FuncType, GlobalType, Limits, ValType

_I32 = ValType.i32
MAX_PAGES = 65536
Operand = ValType | None  # None: unknown, below an unconditional branch


class _Frame:
    """An open control instruction: its types, and the height of the operand stack below it."""

    __slots__ = ("height", "opcode", "params", "results", "unreachable")

    def __init__(self, opcode: int, block_type: FuncType, height: int) -> None:
        self.opcode, self.params, self.results = opcode, block_type.params, block_type.results
        self.height, self.unreachable = height, False

    @property
    def label_types(self) -> tuple[ValType, ...]:
        return self.params if self.opcode == 0x03 else self.results


class _FunctionValidator:
    """Checks one function's body."""

    def __init__(self, module: Module, function_type: FuncType, local_types: list[ValType], refs: set[int]) -> None:
        self.m = module
        self.locals = [*function_type.params, *local_types]
        self.stack: list[Operand] = []
        self.frames: list[_Frame] = []
        self.function_type = function_type
        self.declared = refs
        self.globals = module.global_types
        self.tables = module.table_types
        self.has_memory = bool(module.memory_types)
        self.functions = module.func_types
        self.name = ""
        self.at = 0

    def fail(self, reason: str) -> Invalid:
        return Invalid(reason, self.at)

    # --- stacks ---

    def pop(self, expected: Operand = None) -> Operand:
        frame = self.frames[-1]
        if len(self.stack) == frame.height:
            if frame.unreachable:
                return None
            wanted = expected.name if expected else "an operand"
            raise self.fail(f"type mismatch: {self.name} expects {wanted}, the stack is empty")
        actual = self.stack.pop()
        if actual is not None and expected is not None and actual is not expected:
            raise self.fail(f"type mismatch: {self.name} expects {expected.name}, found {actual.name}")
        return actual

    def pop_types(self, types: tuple[ValType, ...]) -> list[Operand]:
        return [self.pop(t) for t in reversed(types)][::-1]

    def push_frame(self, opcode: int, block_type: FuncType) -> None:
        self.frames.append(_Frame(opcode, block_type, len(self.stack)))
        self.stack.extend(block_type.params)

    def pop_frame(self) -> _Frame:
        frame = self.frames[-1]
        self.pop_types(frame.results)
        if len(self.stack) != frame.height:
            raise self.fail(f"type mismatch: {len(self.stack) - frame.height} values too many at {self.name}")
        return self.frames.pop()

    def unreachable(self) -> None:
        frame = self.frames[-1]
        del self.stack[frame.height :]
        frame.unreachable = True

    def label(self, depth: int) -> tuple[ValType, ...]:
        if depth >= len(self.frames):
            raise self.fail(f"unknown label {depth}")
        return self.frames[-1 - depth].label_types

    # --- index spaces ---

    def local(self, index: int) -> ValType:
        if index >= len(self.locals):
            raise self.fail(f"unknown local {index}")
        return self.locals[index]

    def global_(self, index: int) -> GlobalType:
        if index >= len(self.globals):
            raise self.fail(f"unknown global {index}")
        return self.globals[index]

    def table(self, index: int) -> ValType:
        if index >= len(self.tables):
            raise self.fail(f"unknown table {index}")
        return self.tables[index].element

    def function(self, index: int) -> FuncType:
        if index >= len(self.functions):
            raise self.fail(f"unknown function {index}")
        return self.functions[index]

    def memory(self) -> None:
        if not self.has_memory:
            raise self.fail("unknown memory 0")

    def element(self, index: int) -> ValType:
        if index >= len(self.m.elements):
            raise self.fail(f"unknown elem segment {index}")
        return self.m.elements[index].reftype

    def data(self, index: int) -> None:
        if index >= (self.m.data_count or 0):
            raise self.fail(f"unknown data segment {index}")

    # --- the body ---

    def run(self, body: Expression) -> None:
        self.push_frame(0x02, FuncType((), self.function_type.results))
        rows, rules, stack = OPCODES, _RULES, self.stack
        for opcode, immediate, at in body:
            row = rows[opcode]
            self.at, self.name = at, row.name
            if row.params is None:
                rules[row.name](self, immediate)
                continue
            if row.width:
                self.memory()
                if 1 << immediate[0] > row.width:
                    raise self.fail("alignment must not be larger than natural")
                if 1 << immediate[0] < row.width and is_atomic(opcode):
                    raise self.fail("atomic alignment must be natural")
            for expected in reversed(row.params):
                self.pop(expected)
            stack.extend(row.results or ())


V = _FunctionValidator
_Rule = Callable[[V, Any], None]


def _block(v: V, block_type: FuncType, opcode: int = 0x02) -> None:
    v.pop_types(block_type.params)
    v.push_frame(opcode, block_type)


def _loop(v: V, block_type: FuncType) -> None:
    _block(v, block_type, 0x03)


def _if(v: V, block_type: FuncType) -> None:
    v.pop(_I32)
    _block(v, block_type, 0x04)


def _else(v: V, _: None) -> None:
    frame = v.pop_frame()
    v.push_frame(0x05, FuncType(frame.params, frame.results))


def _end(v: V, _: None) -> None:
    frame = v.pop_frame()
    if frame.opcode == 0x04 and frame.params != frame.results:
        raise v.fail("type mismatch: an if without else must leave what it takes")
    v.stack.extend(frame.results)


def _br(v: V, depth: int) -> None:
    v.pop_types(v.label(depth))
    v.unreachable()


def _br_if(v: V, depth: int) -> None:
    v.pop(_I32)
    types = v.label(depth)
    v.pop_types(types)
    v.stack.extend(types)


def _br_table(v: V, immediate: tuple[tuple[int, ...], int]) -> None:
    depths, default = immediate
    v.pop(_I32)
    arity = len(v.label(default))
    for depth in dict.fromkeys(depths):
        types = v.label(depth)
        if len(types) != arity:
            raise v.fail("type mismatch: br_table's labels take different numbers of operands")
        v.stack.extend(v.pop_types(types))
    v.pop_types(v.label(default))
    v.unreachable()


def _return(v: V, _: None) -> None:
    v.pop_types(v.function_type.results)
    v.unreachable()


def _call(v: V, index: int) -> None:
    callee = v.function(index)
    v.pop_types(callee.params)
    v.stack.extend(callee.results)


def _call_indirect(v: V, immediate: tuple[int, int]) -> None:
    type_index, table = immediate
    if v.table(table) is not ValType.funcref:
        raise v.fail("type mismatch: call_indirect needs a table of funcref")
    if type_index >= len(v.m.types):
        raise v.fail(f"unknown type {type_index}")
    v.pop(_I32)
    callee = v.m.types[type_index]
    v.pop_types(callee.params)
    v.stack.extend(callee.results)


def _select(v: V, _: None) -> None:
    v.pop(_I32)
    first = v.pop()
    second = v.pop()
    for operand in (first, second):
        if operand is not None and operand.is_reference:
            raise v.fail("type mismatch: select of references needs a type")
    if first is not None and second is not None and first is not second:
        raise v.fail(f"type mismatch: select of {first.name} and {second.name}")
    v.stack.append(second if first is None else first)


def _select_typed(v: V, types: tuple[ValType, ...]) -> None:
    if len(types) != 1:
        raise v.fail("invalid result arity")
    v.pop(_I32)
    v.pop(types[0])
    v.pop(types[0])
    v.stack.append(types[0])


def _local_set(v: V, index: int) -> None:
    v.pop(v.local(index))


def _local_tee(v: V, index: int) -> None:
    v.pop(v.local(index))
    v.stack.append(v.local(index))


def _global_set(v: V, index: int) -> None:
    variable = v.global_(index)
    if not variable.mutable:
        raise v.fail(f"global is immutable: {index}")
    v.pop(variable.valtype)


def _table_set(v: V, index: int) -> None:
    element = v.table(index)
    v.pop(element)
    v.pop(_I32)


def _table_get(v: V, index: int) -> None:
    element = v.table(index)
    v.pop(_I32)
    v.stack.append(element)


def _table_grow(v: V, index: int) -> None:
    element = v.table(index)
    v.pop(_I32)
    v.pop(element)
    v.stack.append(_I32)


def _table_fill(v: V, index: int) -> None:
    element = v.table(index)
    v.pop(_I32)
    v.pop(element)
    v.pop(_I32)


def _table_size(v: V, index: int) -> None:
    v.table(index)
    v.stack.append(_I32)


def _table_copy(v: V, immediate: tuple[int, int]) -> None:
    if v.table(immediate[0]) is not v.table(immediate[1]):
        raise v.fail("type mismatch: table.copy between tables of different types")
    v.pop_types((_I32, _I32, _I32))


def _table_init(v: V, immediate: tuple[int, int]) -> None:
    segment, table = immediate
    if v.table(table) is not v.element(segment):
        raise v.fail("type mismatch: table.init of a table of another type")
    v.pop_types((_I32, _I32, _I32))


def _memory_run(v: V, _: object) -> None:
    v.memory()
    v.pop_types((_I32, _I32, _I32))


def _memory_init(v: V, segment: int) -> None:
    v.memory()
    v.data(segment)
    v.pop_types((_I32, _I32, _I32))


def _memory_grow(v: V, _: int) -> None:
    v.memory()
    v.pop(_I32)
    v.stack.append(_I32)


def _memory_size(v: V, _: int) -> None:
    v.memory()
    v.stack.append(_I32)


def _is_null(v: V, _: None) -> None:
    operand = v.pop()
    if operand is not None and not operand.is_reference:
        raise v.fail(f"type mismatch: ref.is_null expects a reference, found {operand.name}")
    v.stack.append(_I32)


def _ref_func(v: V, index: int) -> None:
    v.function(index)
    if index not in v.declared:
        raise v.fail(f"undeclared function reference {index}")
    v.stack.append(ValType.funcref)


_RULES: dict[str, _Rule] = {
    "unreachable": lambda v, _: v.unreachable(),
    "nop": lambda v, _: None,
    "block": _block,
    "loop": _loop,
    "if": _if,
    "else": _else,
    "end": _end,
    "br": _br,
    "br_if": _br_if,
    "br_table": _br_table,
    "return": _return,
    "call": _call,
    "call_indirect": _call_indirect,
    "drop": lambda v, _: (v.pop(), None)[1],
    "select": _select,
    "select_t": _select_typed,
    "local.get": lambda v, index: v.stack.append(v.local(index)),
    "local.set": _local_set,
    "local.tee": _local_tee,
    "global.get": lambda v, index: v.stack.append(v.global_(index).valtype),
    "global.set": _global_set,
    "table.get": _table_get,
    "table.set": _table_set,
    "table.grow": _table_grow,
    "table.fill": _table_fill,
    "table.size": _table_size,
    "table.copy": _table_copy,
    "table.init": _table_init,
    "elem.drop": lambda v, index: (v.element(index), None)[1],
    "memory.size": _memory_size,
    "memory.grow": _memory_grow,
    "memory.copy": _memory_run,
    "memory.fill": _memory_run,
    "memory.init": _memory_init,
    "data.drop": lambda v, index: v.data(index),
    "atomic.fence": lambda v, _: None,
    "ref.null": lambda v, reftype: v.stack.append(reftype),
    "ref.is_null": _is_null,
    "ref.func": _ref_func,
}

_CONSTANTS = {0x41, 0x42, 0x43, 0x44, 0xD0, 0xD2, 0x23, 0x0B}


def _constant(m: Module, expression: Expression, expected: ValType, globals_seen: int, refs: set[int]) -> None:
    """A constant expression; only imported immutable globals may be read (section 3.3.10)."""
    v = _FunctionValidator(m, FuncType((), (expected,)), [], refs)
    for opcode, immediate, at in expression:
        if opcode not in _CONSTANTS:
            raise Invalid("constant expression required", at)
        if opcode == 0x23:
            if immediate >= globals_seen:
                raise Invalid(f"unknown global {immediate}", at)
            if m.global_types[immediate].mutable:
                raise Invalid("constant expression required: the global is mutable", at)
    v.globals = m.global_types
    v.run(expression)


def _limits(limits: Limits, highest: int, what: str, at: int) -> None:
    if limits.minimum > highest or (limits.maximum or 0) > highest:
        raise Invalid(what, at)
    if limits.maximum is not None and limits.minimum > limits.maximum:
        raise Invalid("size minimum must not be greater than maximum", at)


def _declared_references(m: Module) -> set[int]:
    """Functions that a ref.func may name: those in exports, globals and element segments (section 3.4.10)."""
    found = {e.index for e in m.exports if e.kind == "func"}
    for element in m.elements:
        found |= {item for item in element.items if isinstance(item, int)}
    return found | {i for g in m.globals for code, i, _ in g.init if code == 0xD2}


def _module_parts(m: Module, refs: set[int]) -> None:
    at = {name: offset for name, offset, _ in m.sections}
    for table in m.table_types:
        _limits(table.limits, 0xFFFFFFFF, "table size", at.get("table", 0))
    for memory in m.memory_types:
        if memory.page_log2 not in (0, PAGE_LOG2):
            raise Invalid("invalid custom page size", at.get("memory", 0))
        most = MAX_PAGES if memory.page_log2 else 0xFFFFFFFF
        _limits(memory.limits, most, f"memory size must be at most {most} pages (4GiB)", at.get("memory", 0))
        if memory.shared and memory.limits.maximum is None:
            raise Invalid("shared memory must have maximum", at.get("memory", 0))
    if len(m.memory_types) > 1:
        raise Invalid("multiple memories", at.get("memory", 0))
    imported = m.imported_global_count
    for g in m.globals:
        _constant(m, g.init, g.type.valtype, imported, refs)
    _exports(m, at.get("export", 0))
    if m.start is not None:
        if m.start >= len(m.func_types):
            raise Invalid(f"unknown function {m.start}", at["start"])
        if m.func_types[m.start] != FuncType((), ()):
            raise Invalid("start function must take and return nothing", at["start"])


def _exports(m: Module, at: int) -> None:
    counts = {
        "func": len(m.func_types),
        "table": len(m.table_types),
        "memory": len(m.memory_types),
        "global": len(m.global_types),
    }
    words = {"func": "function"}
    seen: set[str] = set()
    for export in m.exports:
        if export.index >= counts[export.kind]:
            raise Invalid(f"unknown {words.get(export.kind, export.kind)} {export.index}", at)
        if export.name in seen:
            raise Invalid(f'duplicate export name "{export.name}"', at)
        seen.add(export.name)


def _segments(m: Module, refs: set[int]) -> None:
    imported = m.imported_global_count
    for element in m.elements:
        if element.mode == "active":
            if element.table >= len(m.table_types):
                raise Invalid(f"unknown table {element.table}", element.position)
            if m.table_types[element.table].element is not element.reftype:
                raise Invalid("type mismatch: elements of another type than their table's", element.position)
            _constant(m, element.offset, _I32, imported, refs)
        for expression in element.expressions:
            _constant(m, expression, element.reftype, imported, refs)
        if not element.expressions:
            for index in element.items:
                if index >= len(m.func_types):
                    raise Invalid(f"unknown function {index}", element.position)
    for data in m.data:
        if data.mode == "active":
            if data.memory or not m.memory_types:
                raise Invalid(f"unknown memory {data.memory}", data.position)
            _constant(m, data.offset, _I32, imported, refs)


def _function(m: Module, function: Function, refs: set[int]) -> None:
    function_type = m.types[function.type_index]
    _FunctionValidator(m, function_type, function.locals, refs).run(function.body)


def validate(m: Module) -> None:
    """Check the whole module; raises Invalid for the first thing that is wrong."""
    refs = _declared_references(m)
    _module_parts(m, refs)
    _segments(m, refs)
    for i, function in enumerate(m.functions):
        index = m.imported_function_count + i
        try:
            _function(m, function, refs)
        except WasmError as error:
            raise Invalid(error.reason, error.offset, index, m.function_name(index)) from None
