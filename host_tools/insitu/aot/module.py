"""The whole module as LLVM IR: what is laid out where, thunks, import wrappers, and every function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from insitu.aot import aux_stack, body, numeric, signature
from insitu.aot.function import FunctionBuilder
from insitu.aot.memory import PAGE, LinearMemory
from insitu.image.read import has_allocator
from insitu.port.app_heap import ENV
from insitu.port.xip import layout
from insitu.wasm.types import ValType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from insitu.aot.targets import Target
    from insitu.wasm.module import Function, Module
    from insitu.wasm.types import FuncType, Limits, TableType

# A funcref is its two words, the code address below; an externref is a handle (port/references.py).
IR_TYPES = {"i32": "i32", "i64": "i64", "f32": "float", "f64": "double", "funcref": "i64", "externref": "i32"}
_CALL_OPCODES = (0x10, 0x11)
_REF_FUNC, _TABLE_GROW, _MEMORY_GROW = 0xD2, 0xFC00 | 15, 0x40
_MOST_ENTRIES_INSIDE = 1 << 16  # of a table in the instance block
_REQUEST_SLOTS = 3  # what the widest of layout.REQUEST_* passes

# Type-based alias analysis: what lies in the instance block is never in linear memory.
_METADATA = """
!0 = !{!"insitu"}
!1 = !{!"linear memory", !0, i64 0}
!2 = !{!"header", !0, i64 0}
!3 = !{!"args", !0, i64 0}
!4 = !{!"global", !0, i64 0}
!5 = !{!"table", !0, i64 0}
!11 = !{!1, !1, i64 0}
!12 = !{!2, !2, i64 0}
!13 = !{!3, !3, i64 0}
!14 = !{!4, !4, i64 0}
!15 = !{!5, !5, i64 0}
!20 = !{!"branch_weights", i32 1, i32 1048575}
!21 = !{!"branch_weights", i32 1048575, i32 1}
"""
_TAGS = {"memory": 11, "header": 12, "args": 13, "global": 14, "table": 15, "unlikely": 20, "likely": 21}
_RUNTIME_DECLARATIONS = """
declare void @insitu_trap(ptr, i32) #1
declare void @insitu_host_call(ptr, i32) #2
declare void @insitu_stack_check(ptr) #3
declare void @llvm.memset.p0.i32(ptr, i8, i32, i1)
declare void @llvm.memmove.p0.p0.i32(ptr, ptr, i32, i1)
attributes #0 = { nounwind }
attributes #1 = { cold noreturn nounwind }
attributes #2 = { nounwind }
attributes #3 = { nounwind willreturn memory(inaccessiblemem: readwrite) }
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Where a table is found: distances below the instance pointer.

    Attributes:
        fixed: own, and nothing can grow it or change its place, so that length and entries are constants.
        entries: 0: allocated apart, or imported.
        ir_type: of what it holds.
    """

    fixed: bool
    length: int
    slot: int
    entries: int
    ir_type: str


class ModuleBuilder:
    """Layout of the instance block and IR of the module, for one target."""

    def __init__(self, wasm: Module, target: Target, app_heap: int = 0) -> None:
        self.wasm = wasm
        self.target = target
        self.aux_stack = aux_stack.find(wasm)
        self.memory = self._plan_memory((app_heap + 7) & ~7)
        self.global_types = [IR_TYPES[g.valtype.name] for g in wasm.global_types]
        self.imported_globals = wasm.imported_global_count
        self._plan_instance()

    # --- types ---

    def ir_types(self, types: Iterable[ValType]) -> tuple[str, ...]:
        return tuple(IR_TYPES[t.name] for t in types)

    def result_type(self, results: tuple[str, ...]) -> str:
        if not results:
            return "void"
        return results[0] if len(results) == 1 else "{ " + ", ".join(results) + " }"

    def function_type(self, index: int) -> FuncType:
        return self.wasm.func_types[index]

    def signature_word(self, function_type: FuncType) -> int:
        return signature.word(function_type)

    # --- plans ---

    @cached_property
    def _opcodes(self) -> set[int]:
        return {instruction[0] for function in self.wasm.functions for instruction in function.body}

    def _plan_memory(self, app_heap: int) -> LinearMemory:
        """Fixed where nothing can grow or share it and no app heap of a size yet unknown lies in it.

        An exporter's memory without a maximum stays fixed where its own code does not grow it: a host may always
        refuse growth (section 4.5.3.8 of the standard), and C compilers export every memory.
        """
        if not self.wasm.memory_types:
            return LinearMemory(fixed=True, size=0, pages=0)
        limits, size = self.wasm.memory_types[0].limits, self.wasm.memory_types[0].limits.minimum * PAGE
        if self.wasm.imported_memory_count:
            return LinearMemory(False, size, limits.minimum, grows=True)
        if limits.maximum != limits.minimum and (_MEMORY_GROW in self._opcodes or self._invites_growth(limits)):
            return LinearMemory(False, size, limits.minimum, grows=True)
        cut = min(size, self._truncated_size(size))
        if self._imports_allocator():
            return LinearMemory(False, cut, limits.minimum, truncated=cut < size)
        return LinearMemory(True, cut + app_heap, limits.minimum, truncated=cut < size, app_heap=app_heap)

    def _invites_growth(self, limits: Limits) -> bool:
        """Whether another module may count on growing this one's memory: it is exported with a maximum."""
        return limits.maximum is not None and any(export.kind == "memory" for export in self.wasm.exports)

    def _truncated_size(self, size: int) -> int:
        """Up to __heap_base, where nothing lies above it: no allocator, exported or asking for more memory."""
        aux = self.aux_stack
        if aux.heap_base is None or aux.data_end is None or _MEMORY_GROW in self._opcodes or self.exports_allocator:
            return size
        return (max(aux.heap_base, aux.top) + 7) & ~7

    @property
    def exports_allocator(self) -> bool:
        return has_allocator(export.name for export in self.wasm.exports if export.kind == "func")

    def _imports_allocator(self) -> bool:
        """Whether the runtime must give it an app heap, whose size is said at instantiation."""
        return any(i.module == "env" and i.name in ENV for i in self.wasm.imports)

    def _plan_instance(self) -> None:
        """Distances below the instance pointer: header, globals, import slots, args area, tables."""
        distance = layout.INSTANCE_HEADER

        def take(size: int) -> int:
            nonlocal distance
            distance += size
            return distance

        self.global_slots = [take(8) for _ in self.wasm.global_types]
        self.import_slots = [take(8) for _ in range(self.wasm.imported_function_count)]
        self.args_slots = self._count_slots()
        self.args_distance = take(8 * self.args_slots)
        self.tables = [self._plan_table(index, table, take) for index, table in enumerate(self.wasm.table_types)]
        self.instance_size = (distance + 7) & ~7

    def _plan_table(self, index: int, table_type: TableType, take: Callable[[int], int]) -> Table:
        """In the instance block, but for what grows or is large."""
        imported = index < self.wasm.imported_table_count
        exported = any(e.kind == "table" and e.index == index for e in self.wasm.exports)
        slot, length, ir_type = take(8), table_type.limits.minimum, IR_TYPES[table_type.element.name]
        apart = imported or index in self._growing_tables or length > _MOST_ENTRIES_INSIDE
        size = layout.FUNCREF_SIZE if table_type.element is ValType.funcref else layout.EXTERNREF_SIZE
        entries = 0 if apart else take(size * length)
        return Table(not apart and not exported, length, slot, entries, ir_type)

    @cached_property
    def _growing_tables(self) -> set[int]:
        return {i[1] for function in self.wasm.functions for i in function.body if i[0] == _TABLE_GROW}

    @property
    def has_externrefs(self) -> bool:
        """Whether externrefs can come in, or lie in the module's globals and tables."""
        signatures = [t for function_type in self.wasm.types for t in (*function_type.params, *function_type.results)]
        kept = [g.valtype for g in self.wasm.global_types] + [t.element for t in self.wasm.table_types]
        return ValType.externref in (*signatures, *kept)

    def _count_slots(self) -> int:
        types = [self.function_type(i) for i in self.exposed | set(range(self.wasm.imported_function_count))]
        return max([_REQUEST_SLOTS, *(len(t.params) for t in types), *(len(t.results) for t in types)])

    @cached_property
    def exposed(self) -> set[int]:
        """Functions that are reached other than by a direct call, and so keep name, type and signature word."""
        indices = {e.index for e in self.wasm.exports if e.kind == "func"} | self.address_taken
        return indices if self.wasm.start is None else indices | {self.wasm.start}

    @cached_property
    def address_taken(self) -> set[int]:
        """Functions that a reference to may be made of in this module: what its indirect calls can reach of it."""
        items = {item for element in self.wasm.elements for item in element.items if isinstance(item, int)}
        expressions = [function.body for function in self.wasm.functions] + [g.init for g in self.wasm.globals]
        return items | {i[1] for expression in expressions for i in expression if i[0] == _REF_FUNC}

    @cached_property
    def thunk_types(self) -> list[int]:
        """Indices of the distinct types that need a thunk: those of exposed functions."""
        types = self.wasm.types
        return sorted({types.index(self.function_type(i)) for i in self.exposed})

    def calls(self, function: Function) -> bool:
        """Whether the function calls at all, and so may need more than the stack guard."""
        return any(instruction[0] in _CALL_OPCODES for instruction in function.body)

    # --- text ---

    def ir(self) -> str:
        """The module's LLVM IR, before the operand stack checks (optimise.add_stack_checks)."""
        parts = [f'target triple = "{self.target.triple}"', numeric.DECLARATIONS, _RUNTIME_DECLARATIONS]
        parts += [self._wrapper(i) for i in range(self.wasm.imported_function_count)]
        first = self.wasm.imported_function_count
        parts += [self._function(first + i, function) for i, function in enumerate(self.wasm.functions)]
        parts += [self._thunk(i) for i in self.thunk_types]
        text = "\n".join(parts)
        return re.sub(r"(!tbaa|!prof) !([a-z]+)", lambda m: f"{m[1]} !{_TAGS[m[2]]}", text) + _METADATA

    def _define(self, index: int, names: str) -> str:
        function_type = self.function_type(index)
        params, results = self.ir_types(function_type.params), self.ir_types(function_type.results)
        arguments = "".join(f", {t} {names}{i}" for i, t in enumerate(params))
        exposed = index in self.exposed
        linkage = "hidden" if exposed else "internal"
        word = f" prefix i32 {self.signature_word(function_type)}" if exposed else ""
        attributes = "nounwind noinline" if index < self.wasm.imported_function_count else "nounwind"
        return (
            f"define {linkage} {self.result_type(results)} @f{index}"
            f"(ptr nonnull noundef align 8 %inst{arguments}) {attributes} align 4{word} {{"
        )

    def _function(self, index: int, function: Function) -> str:
        return f"{self._define(index, '%a')}\n{body.build_body(self, function)}\n}}"

    def _wrapper(self, index: int) -> str:
        """An import: another instance's function where the slot has one, a request to the runtime otherwise."""
        f, function_type = FunctionBuilder(self), self.function_type(index)
        params, results = self.ir_types(function_type.params), self.ir_types(function_type.results)
        arguments = [(t, f"%a{i}") for i, t in enumerate(params)]
        f.start_block("entry")
        slot = f.instance_pointer(self.import_slots[index])
        code = f.value(f"load ptr, ptr {slot}, align 4, !invariant.load !{{}}")
        f.line(f"br i1 {f.value(f'icmp eq ptr {code}, null')}, label %python, label %direct")
        f.start_block("python")
        f.request(layout.REQUEST_IMPORT, index, arguments)
        self._return(f, results, [f.load_argument(i, t) for i, t in enumerate(results)])
        f.start_block("direct")
        f.line("call void @insitu_stack_check(ptr %inst)")
        owner = f.instance_pointer(self.import_slots[index] - layout.IMPORT_SLOT_INSTANCE)
        instance = f.value(f"load ptr, ptr {owner}, align 4, !invariant.load !{{}}")
        passed = "".join(f", {t} {v}" for t, v in arguments)
        call = f"call {self.result_type(results)} {code}(ptr {instance}{passed})"
        if results:
            f.line(f"ret {self.result_type(results)} {f.value(call)}")
        else:
            f.line(call)
            f.line("ret void")
        return f"{self._define(index, '%a')}\n{f.finish()}\n}}"

    def _return(self, f: FunctionBuilder, results: tuple[str, ...], values: list[str]) -> None:
        from insitu.aot.calls import aggregate

        if not results:
            f.line("ret void")
        elif len(results) == 1:
            f.line(f"ret {results[0]} {values[0]}")
        else:
            f.line(f"ret {self.result_type(results)} {aggregate(f, results, values)}")

    def _thunk(self, type_index: int) -> str:
        """Called by the stub: arguments from the args area, results back into it."""
        f, function_type = FunctionBuilder(self), self.wasm.types[type_index]
        params, results = self.ir_types(function_type.params), self.ir_types(function_type.results)
        f.start_block("entry")
        arguments = "".join(f", {t} {f.load_argument(i, t)}" for i, t in enumerate(params))
        call = f"call {self.result_type(results)} %function(ptr %inst{arguments})"
        if not results:
            f.line(call)
        elif len(results) == 1:
            f.store_argument(0, results[0], f.value(call))
        else:
            whole = f.value(call)
            for i, ir_type in enumerate(results):
                field = f.value(f"extractvalue {self.result_type(results)} {whole}, {i}")
                f.store_argument(i, ir_type, field)
        f.line("ret void")
        mark = self.signature_word(function_type) ^ layout.MARK_THUNK
        head = f"define hidden void @t{type_index}(ptr %inst, ptr %function) nounwind align 4 prefix i32 {mark}"
        return f"{head} {{\n{f.finish()}\n}}"
