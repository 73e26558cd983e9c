"""A decoded module (section 2.5 of the standard)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from insitu.wasm.types import FuncType, GlobalType, MemoryType, TableType, ValType

# (opcode, immediate, file offset). Opcodes above 0xFF are 0xFC00 | sub-opcode.
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
    offset: int


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
    function_names: dict[int, str] = field(default_factory=dict)
    name: str = ""
    _cache: dict[str, Any] = field(default_factory=dict)

    def imported(self, kind: str) -> list[Import]:
        return [i for i in self.imports if i.kind == kind]

    def _once(self, key: str, make: Any) -> Any:
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    @property
    def imported_function_count(self) -> int:
        return int(self._once("functions", lambda: len(self.imported("func"))))

    @property
    def imported_table_count(self) -> int:
        return len(self.imported("table"))

    @property
    def imported_memory_count(self) -> int:
        return len(self.imported("memory"))

    @property
    def imported_global_count(self) -> int:
        return len(self.imported("global"))

    @property
    def func_type_indices(self) -> list[int]:
        """Type index of every function, imports first."""
        made = self._once("type_indices", lambda: [i.desc for i in self.imported("func")] + self.function_types)
        return made  # type: ignore[no-any-return]

    @property
    def func_types(self) -> list[FuncType]:
        made = self._once("func_types", lambda: [self.types[i] for i in self.func_type_indices])
        return made  # type: ignore[no-any-return]

    @property
    def table_types(self) -> list[TableType]:
        return [i.desc for i in self.imported("table")] + self.tables

    @property
    def memory_types(self) -> list[MemoryType]:
        return [i.desc for i in self.imported("memory")] + self.memories

    @property
    def global_types(self) -> list[GlobalType]:
        made = self._once(
            "global_types", lambda: [i.desc for i in self.imported("global")] + [g.type for g in self.globals]
        )
        return made  # type: ignore[no-any-return]

    def function_name(self, index: int) -> str:
        """The name section's name, else an export's, else nothing."""
        if index in self.function_names:
            return self.function_names[index]
        return next((e.name for e in self.exports if e.kind == "func" and e.index == index), "")


__all__ = ["Data", "Element", "Export", "Expression", "Function", "Global", "Import", "Instruction", "Module"]
