"""WebAssembly's types as LLVM IR has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from insitu.wasm.types import ValType

# A funcref is its two words, the code address below; an externref is a handle (port/run/references.py).
_NAMES = {"i32": "i32", "i64": "i64", "f32": "float", "f64": "double", "funcref": "i64", "externref": "i32"}


def ir_type(valtype: ValType) -> str:
    return _NAMES[valtype.name]


def ir_types(types: Iterable[ValType]) -> tuple[str, ...]:
    return tuple(map(ir_type, types))


def result_type(results: tuple[str, ...]) -> str:
    """The IR type that a function of these results returns: none, one, or a struct of all."""
    if not results:
        return "void"
    return results[0] if len(results) == 1 else "{ " + ", ".join(results) + " }"
