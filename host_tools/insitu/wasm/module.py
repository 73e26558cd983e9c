"""A decoded module (section 2.5 of the standard)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from insitu.wasm.names import Names
from insitu.wasm.types import FuncType, GlobalType, MemoryType, TableType, ValType

# (opcode, immediate, file offset). Opcodes above 0xFF are the prefix << 8 | sub-opcode.
Instruction = tuple[int, Any, int]
Expression = list[Instruction]


@dataclass(frozen=True, slots=True)
class Import:
    module: str
    name: str
    kind: str  # "func", "table", "memory", "global"
    desc: Any  # a type index, TableType, MemoryType or GlobalType


@dataclass(frozen=True, slots=True)
class Export:
    name: str
    kind: str
    index: int


@dataclass(slots=True)
class Function:
    """A function of the module: its locals beside the parameters, its body with the last `end`."""

    type_index: int
    locals: list[ValType]
    body: Expression
    offset: int  # in the file, of the local declarations


@dataclass(frozen=True, slots=True)
class Global:
    type: GlobalType
    init: Expression


@dataclass(frozen=True, slots=True)
class Element:
    """An element segment.

    Attributes:
        mode: "active", "passive" or "declarative".
        items: function index, None for a null reference, or ("global", index).
        expressions: the items as written, for validation; empty where they are plain function indices.
    """

    mode: str
    table: int
    offset: Expression
    reftype: ValType
    items: list[Any]
    expressions: list[Expression]
    position: int


@dataclass(frozen=True, slots=True)
class Data:
    mode: str
    memory: int
    offset: Expression
    data: bytes
    position: int


@dataclass(slots=True)
class Module:
    """Everything that the sections hold; index spaces put imports first."""

    types: list[FuncType] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    function_types: list[int] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    tables: list[TableType] = field(default_factory=list)
    memories: list[MemoryType] = field(default_factory=list)
    globals: list[Global] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    start: int | None = None
    elements: list[Element] = field(default_factory=list)
    data: list[Data] = field(default_factory=list)
    data_count: int | None = None
    customs: list[tuple[str, bytes, int]] = field(default_factory=list)
    sections: list[tuple[str, int, int]] = field(default_factory=list)  # name, offset, size
    names: Names = field(default_factory=Names)
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        """What make returns, made once: a module does not change after it is decoded."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def imported(self, kind: str) -> list[Import]:
        made: list[Import] = self._once(f"imported {kind}", lambda: [i for i in self.imports if i.kind == kind])
        return made

    @property
    def imported_function_count(self) -> int:
        return len(self.imported("func"))

    @property
    def imported_table_count(self) -> int:
        return len(self.imported("table"))

    @property
    def imported_memory_count(self) -> int:
        return len(self.imported("memory"))

    @property
    def shares_memory(self) -> bool:
        """Whether its linear memory is shared, as the threads proposal has it, by instances that are threads."""
        return any(memory.shared for memory in self.memory_types)

    @property
    def imported_global_count(self) -> int:
        return len(self.imported("global"))

    @property
    def code_offset(self) -> int | None:
        """File offset of the code section's content, which debuggers count from; None where there is none."""
        return next((offset for name, offset, _ in self.sections if name == "code"), None)

    def _index_space(self, kind: str, own: Callable[[], list[Any]]) -> Any:
        return self._once(kind, lambda: [i.desc for i in self.imported(kind)] + own())

    @property
    def func_type_indices(self) -> list[int]:
        """Type index of every function, imports first."""
        made: list[int] = self._index_space("func", lambda: self.function_types)
        return made

    @property
    def func_types(self) -> list[FuncType]:
        made: list[FuncType] = self._once("func_types", lambda: [self.types[i] for i in self.func_type_indices])
        return made

    @property
    def table_types(self) -> list[TableType]:
        made: list[TableType] = self._index_space("table", lambda: self.tables)
        return made

    @property
    def memory_types(self) -> list[MemoryType]:
        made: list[MemoryType] = self._index_space("memory", lambda: self.memories)
        return made

    @property
    def global_types(self) -> list[GlobalType]:
        made: list[GlobalType] = self._index_space("global", lambda: [g.type for g in self.globals])
        return made

    def function_name(self, index: int) -> str:
        """The name section's name, else an export's, else nothing."""
        return self.names.functions.get(index) or self._export_names.get(index, "")

    @property
    def _export_names(self) -> dict[int, str]:
        made: dict[int, str] = self._once(
            "export names", lambda: {e.index: e.name for e in reversed(self.exports) if e.kind == "func"}
        )
        return made


__all__ = ["Data", "Element", "Export", "Expression", "Function", "Global", "Import", "Instruction", "Module"]
