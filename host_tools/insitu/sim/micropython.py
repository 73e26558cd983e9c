"""What MicroPython has and CPython lacks, so that the code of port/ runs unchanged on the simulated machine.

viper functions stay Python functions, but their arguments and results go through the casts that their
annotations name, as in viper: words wrap at 32 bits, and a pointer is an address or a buffer.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from insitu.sim.memory import ptr8, ptr16, ptr32, uint, whole

_POINTERS = {"ptr8": ptr8, "ptr16": ptr16, "ptr32": ptr32}


def _same(value: Any) -> Any:
    return value


def signed(value: Any) -> int:
    """viper's int: a signed word. TypeError for what is no int (py/obj.c, mp_obj_get_int_truncated)."""
    if type(value) is not int:
        value = whole(value)
    return (value & 0x7FFFFFFF) - (value & 0x80000000)


_CASTS: dict[Any, Callable[[Any], Any]] = {
    int: signed,
    uint: uint,
    bool: bool,
    ptr8: ptr8,
    ptr16: ptr16,
    ptr32: ptr32,
}


def _cast(annotation: Any) -> Callable[[Any], Any]:
    if isinstance(annotation, str):
        annotation = {"int": int, "uint": uint, "bool": bool, **_POINTERS}.get(annotation)
    return _CASTS.get(annotation, _same)


def viper(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with viper's casts of arguments and result."""
    annotations = function.__annotations__
    casts = [_cast(annotations.get(name)) for name in inspect.signature(function).parameters]
    result = _cast(annotations.get("return"))

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        return result(function(*[cast(arg) for cast, arg in zip(casts, args, strict=True)]))

    return run


def native(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called from here: a tracer can tell that its lines are machine code."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        return function(*args)

    return run


def install() -> None:
    """Give this process the module `micropython` (or complete it), and the builtins of viper."""
    module = sys.modules.setdefault("micropython", ModuleType("micropython"))
    for name in ("const", "asm_thumb", "asm_rv32"):
        if not hasattr(module, name):
            setattr(module, name, _same)
    module.viper = viper  # type: ignore[attr-defined]
    module.native = native  # type: ignore[attr-defined]
    for name, value in {**_POINTERS, "uint": uint}.items():
        setattr(builtins, name, value)
