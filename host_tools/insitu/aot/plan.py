"""What is laid out where, decided before any code is written: memory, slots, tables, who is reached how.

A plan holds no IR: `inspect`, `limits`, `frames` and `image.pack` read the same decisions as the writer of the code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from insitu.aot import aux_stack, constant_tables, signature, window
from insitu.aot.automatic import Automatic
from insitu.aot.options import DEFAULT, Options
from insitu.image.read import has_allocator
from insitu.port.host import allocating
from insitu.port.host.app_heap import ENV
from insitu.port.xip import layout
from insitu.wasm.opcodes import codes
from insitu.wasm.types import ValType

if TYPE_CHECKING:
    from collections.abc import Callable

    from insitu.aot.constant_tables import Entries
    from insitu.aot.targets import Target
    from insitu.wasm.module import Function, Module
    from insitu.wasm.types import FuncType, Limits, TableType

PAGE = 65536
_CALL_OPCODES = codes("call", "call_indirect")
_REF_FUNC, _TABLE_GROW, _MEMORY_SIZE, _MEMORY_GROW = codes("ref.func", "table.grow", "memory.size", "memory.grow")
_MOST_ENTRIES_INSIDE = 1 << 16  # of a table in the instance block
_REQUEST_SLOTS = 3  # what the widest of layout.REQUEST_* passes
_OFFSETS = 32  # of accesses that have one limit
_WIDEST = 8  # bytes of an access


@dataclass(frozen=True, slots=True)
class LinearMemory:
    """How the module's memory is reached.

    Attributes:
        fixed: at the instance pointer, of constant size.
        size: bytes at instantiation; where fixed, for ever.
        pages: what memory.size answers where fixed.
        grows: whether anything may grow it.
        truncated: ends at __heap_base, not at the page.
        app_heap: bytes at its end that are kept for an app heap where it is fixed.
        slack: bytes behind it that an access may still come to, see limit; 0: none may.
        window: what of it lies at the instance pointer, where not all of it does.
    """

    fixed: bool
    size: int
    pages: int
    grows: bool = False
    truncated: bool = False
    app_heap: int = 0
    slack: int = 0
    window: window.Window | None = None

    def with_slack(self, whole: int) -> LinearMemory:
        """What a truncated memory can have behind it of what the module declared, and that is memory to the standard.

        There an access need not trap, so that those through one address share a limit, which LLVM compares once, and
        which is a constant that Thumb's CMP holds: 8 bits, shifted (ARMv7-M Architecture Reference Manual, A5.3.2).
        whole: bytes that the module declared.
        """
        slack = (window.grain(self.size) - 1 + _OFFSETS - 1 + _WIDEST + 7) & ~7
        return replace(self, slack=slack) if 0 < self.size <= whole - slack else self

    def limit(self, offset: int, width: int) -> int:
        """The highest address, as an i32, that may be accessed at an offset, where the memory is fixed.

        offset + width, in bytes, are inside of the memory.
        """
        if not self.slack:
            return self.size - offset - width
        highest = self.size - 1 - offset // _OFFSETS * _OFFSETS
        return -(-highest // window.grain(highest)) * window.grain(highest)


@dataclass(frozen=True, slots=True)
class Table:
    """Where a table is found: distances below the instance pointer.

    Attributes:
        fixed: own, and nothing can grow it or change its place, so that length and entries are constants.
        entries: 0: allocated apart, or imported.
        element: type of what it holds.
    """

    fixed: bool
    length: int
    slot: int
    entries: int
    element: ValType

    @property
    def entry_size(self) -> int:
        """Bytes."""
        return layout.FUNCREF_SIZE if self.element is ValType.funcref else layout.EXTERNREF_SIZE


class Plan:
    """Layout of a module's instance block, the same for every target, and the target that it is written for.

    Attributes:
        global_slots, import_slots: distances below the instance pointer, by index.
        args_distance, args_slots: the args area: how far below, and how many slots of 8 bytes.
        instance_size: bytes of the block below the instance pointer.
        located: whether LLVM is told where in the module each instruction is (locations.py).
        interruptible: whether its loops and recursions poll (polls.py).
    """

    def __init__(
        self,
        wasm: Module,
        target: Target,
        options: Options = DEFAULT,
        *,
        located: bool = False,
    ) -> None:
        self.wasm = wasm
        self.target = target
        self.located = located
        self.interruptible = options.interruptible
        self.aux_stack = aux_stack.find(wasm)
        self.memory = self._plan_memory((options.app_heap + 7) & ~7)
        wanted = options.window
        if wanted is not None and wasm.memory_types and not wasm.imported_memory_count and not self.wasm.shares_memory:
            self.memory = self._plan_window(wanted)
        self.imported_globals = wasm.imported_global_count
        self._plan_instance()

    def function_type(self, index: int) -> FuncType:
        return self.wasm.func_types[index]

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
        limits, size = self.wasm.memory_types[0].limits, self.whole_memory
        if self.wasm.imported_memory_count:
            return LinearMemory(False, size, limits.minimum, grows=True)
        if limits.maximum != limits.minimum and (_MEMORY_GROW in self._opcodes or self._invites_growth(limits)):
            return LinearMemory(False, size, limits.minimum, grows=True)
        cut = min(size, self._truncated_size(size))
        if self._imports_allocator():
            return LinearMemory(False, cut, limits.minimum, truncated=cut < size)
        app_heap += -cut & 7 if app_heap else 0  # it begins at a multiple of 8
        memory = LinearMemory(True, cut + app_heap, limits.minimum, truncated=cut < size, app_heap=app_heap)
        return memory.with_slack(size) if memory.truncated else memory

    def _plan_window(self, wanted: window.Wanted | Automatic | int) -> LinearMemory:
        """Whole pages, and as much growth as the module allows: what is not touched costs nothing."""
        if isinstance(wanted, Automatic):
            wanted = wanted.of(self.wasm, aux_stack.found_or_guessed(self.wasm))
        limits = self.wasm.memory_types[0].limits
        whole, grows = self.whole_memory, limits.maximum != limits.minimum
        return LinearMemory(False, whole, limits.minimum, grows, window=window.plan(wanted, whole))

    def _invites_growth(self, limits: Limits) -> bool:
        """Whether another module may count on growing this one's memory: it is exported with a maximum."""
        return limits.maximum is not None and any(export.kind == "memory" for export in self.wasm.exports)

    def _truncated_size(self, size: int) -> int:
        """Up to __heap_base, where nothing lies above it: no allocator, exported or going by memory's size."""
        aux = self.aux_stack
        if aux.heap_base is None or aux.data_end is None or self.exports_allocator or self.wasm.shares_memory:
            return size
        if not self._opcodes.isdisjoint((_MEMORY_SIZE, _MEMORY_GROW)):
            return size
        return (max(aux.heap_base, aux.top) + 7) & ~7

    @property
    def whole_memory(self) -> int:
        """Bytes of linear memory that the module declares."""
        declared = self.wasm.memory_types[0]
        return declared.limits.minimum * declared.page

    @property
    def window_mark(self) -> int:
        """What of the window the code has as constants, for the loader to compare with the header: see MARK_THUNK."""
        window = self.memory.window
        return signature.of(struct.pack("<II", window.low, window.size)) ^ window.page if window else 0

    @property
    def far(self) -> window.Far | None:
        """What the far routine is for, where the memory has a window."""
        return window.Far(self.memory.window.page, self.wasm.memory_types[0].page) if self.memory.window else None

    @property
    def exports_allocator(self) -> bool:
        return has_allocator(export.name for export in self.wasm.exports if export.kind == "func")

    @cached_property
    def allocators(self) -> set[int]:
        """The functions of an allocator that others may call, which the device must find on an operand stack."""
        if not self.exports_allocator:
            return set()
        first = self.wasm.imported_function_count
        return {i for i in range(first, len(self.wasm.func_types)) if self.wasm.function_name(i) in allocating.NAMES}

    def _imports_allocator(self) -> bool:
        """Whether the runtime must give it an app heap, whose size is said at instantiation."""
        return any(i.module == "env" and i.name in ENV for i in self.wasm.imports)

    def _plan_instance(self) -> None:
        """Distances below the instance pointer: header, globals, import slots, args area, tables."""
        distance = layout.INSTANCE_FAR if self.memory.window else layout.INSTANCE_HEADER

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
        slot, length = take(8), table_type.limits.minimum
        apart = imported or index in self._growing_tables or length > _MOST_ENTRIES_INSIDE
        table = Table(not apart and not exported, length, slot, 0, table_type.element)
        return table if apart else replace(table, entries=take(table.entry_size * length))

    @cached_property
    def constant_tables(self) -> dict[int, Entries]:
        """Tables whose entries are known at build, by index."""
        return constant_tables.find(self.wasm, self.tables)

    @cached_property
    def callees(self) -> dict[tuple[int, int], Entries]:
        """What indirect calls can lead to, by type and table, where that is known at build."""
        return constant_tables.callees(self.wasm, self.constant_tables)

    @cached_property
    def choices(self) -> dict[tuple[int, int], Entries]:
        """Of those, what is so few that the calls are direct ones."""
        return {call: entries for call, entries in self.callees.items() if constant_tables.few(entries)}

    @cached_property
    def own_callees(self) -> set[tuple[int, int]]:
        """Type and table of the indirect calls that lead to functions of this instance alone."""
        imported = self.wasm.imported_function_count
        return {call for call, entries in self.callees.items() if all(i >= imported for i in entries.values())}

    @cached_property
    def chosen(self) -> set[int]:
        """Those functions."""
        return {function for entries in self.choices.values() for function in entries.values()}

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

    def instance_register(self, index: int) -> bool:
        """Whether a function is given the instance pointer so: one that only its own module calls, and directly."""
        inside = index >= self.wasm.imported_function_count and index not in self.exposed
        return inside and self.target.instance_register

    def instance(self, index: int) -> str:
        """The IR type of the instance pointer as the function is given it, with its attribute."""
        return "ptr swiftself" if self.instance_register(index) else "ptr"

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
