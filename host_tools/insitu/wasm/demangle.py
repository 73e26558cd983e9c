"""Names of C++ and Rust functions as their source has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

_MANGLED = ("_Z", "_R")  # Itanium's C++ ABI, which Rust's older names look like; Rust's v0


def readable(name: str) -> str:
    """The name without its mangling; as it is where it has none, or where the package `pydemumble` is not there."""
    return (_demangle()(name) or name) if name.startswith(_MANGLED) else name


@cache
def _demangle() -> Callable[[str], str]:
    try:
        from pydemumble import demangle
    except ImportError:  # an option: insitu[report]
        return str
    found: Callable[[str], str] = demangle
    return found
