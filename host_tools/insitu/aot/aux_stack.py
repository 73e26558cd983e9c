"""Where a module keeps the aux stack: found as WAMR finds it, by the toolchain's globals or by their shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insitu.wasm.module import Module


@dataclass(frozen=True, slots=True)
class AuxStack:
    """The stack that C compilers keep in linear memory, growing down.

    Attributes:
        pointer: index of the global that points at its top, None where no such global was found.
        bottom, top: its bounds, addresses in linear memory.
        data_end, heap_base: values of the exported globals __data_end and __heap_base, None if not exported.
    """

    pointer: int | None
    bottom: int
    top: int
    data_end: int | None
    heap_base: int | None


def _constant(module: Module, index: int) -> int | None:
    """The initial value of the module's own i32 global index, if it is a constant."""
    own = index - module.imported_global_count
    if own < 0 or module.global_types[index].valtype.name != "i32":
        return None
    init = module.globals[own].init
    return init[0][1] if len(init) and init[0][0] == 0x41 else None


def _can_move(module: Module, index: int) -> bool:
    """Whether a global can be a stack's pointer: the loader refuses an image whose pointer cannot."""
    return module.global_types[index].mutable and module.global_types[index].valtype.name == "i32"


def _exported(module: Module, name: str) -> int | None:
    for export in module.exports:
        if export.name == name and export.kind == "global":
            return _constant(module, export.index)
    return None


def _pointer(module: Module, exported: set[int]) -> int | None:
    """The first mutable i32 global with a positive constant: what wasm-ld makes of __stack_pointer.

    A global exported by that name wins; otherwise one that is exported is the program's own.
    """
    for export in module.exports:
        if export.name == "__stack_pointer" and export.kind == "global" and _can_move(module, export.index):
            return export.index
    for index, global_type in enumerate(module.global_types):
        if global_type.mutable and index not in exported:
            value = _constant(module, index)
            if value is not None and value > 0 and value % 16 == 0:
                return index
            return None
    return None


def find(module: Module) -> AuxStack:
    """The aux stack of module; with pointer None where there is none that can be told.

    Only a module with a linear memory of its own and a toolchain's marks (__heap_base or __data_end exported)
    is taken to have one: a hand-written module's first global may be anything. Where memory is shared, each thread has
    a stack of its own, wherever the program has allocated it.
    """
    data_end, heap_base = _exported(module, "__data_end"), _exported(module, "__heap_base")
    exported = {export.index for export in module.exports if export.kind == "global"}
    marked = (data_end is not None or heap_base is not None) and not module.shares_memory
    pointer = _pointer(module, exported) if marked else None
    return _with(module, pointer, data_end, heap_base)


def _with(module: Module, pointer: int | None, data_end: int | None, heap_base: int | None) -> AuxStack:
    if pointer is None:
        return AuxStack(None, 0, 0, data_end, heap_base)
    top = _constant(module, pointer) or 0
    bottom = data_end if data_end is not None and data_end < top else 0
    return AuxStack(pointer, bottom, top, data_end, heap_base)


def found_or_guessed(module: Module) -> AuxStack:
    """The same, and where the marks are missing a guess: for what costs speed alone where it is wrong."""
    found = find(module)
    if found.top:
        return found
    exported = {export.index for export in module.exports if export.kind == "global"}
    return _with(module, _pointer(module, exported), None, None)
