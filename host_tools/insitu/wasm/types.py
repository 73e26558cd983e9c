"""WebAssembly's types (section 2.3 of the standard)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ValType(IntEnum):
    """A value type, by its binary code."""

    i32 = 0x7F
    i64 = 0x7E
    f32 = 0x7D
    f64 = 0x7C
    funcref = 0x70
    externref = 0x6F

    @property
    def is_reference(self) -> bool:
        return self in (ValType.funcref, ValType.externref)


@dataclass(frozen=True, slots=True)
class FuncType:
    params: tuple[ValType, ...]
    results: tuple[ValType, ...]

    def __str__(self) -> str:
        return f"({', '.join(t.name for t in self.params)}) -> ({', '.join(t.name for t in self.results)})"


@dataclass(frozen=True, slots=True)
class Limits:
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class TableType:
    element: ValType
    limits: Limits


PAGE_LOG2 = 16  # of a page's bytes, unless the module says otherwise


@dataclass(frozen=True, slots=True)
class MemoryType:
    """shared: as the threads proposal has it; page_log2: of a page's bytes, as that of custom page sizes has it."""

    limits: Limits
    shared: bool = False
    page_log2: int = PAGE_LOG2

    @property
    def page(self) -> int:
        """Bytes."""
        return 1 << self.page_log2


@dataclass(frozen=True, slots=True)
class GlobalType:
    valtype: ValType
    mutable: bool
