"""Why a module is refused."""

from __future__ import annotations

from insitu.errors import InsituError

_LONGEST_NAME = 80


class WasmError(InsituError):
    """A module that cannot be compiled.

    Attributes:
        reason: begins with the standard test suite's message where it has one.
        offset: byte offset in the file.
        function: the function's index, imports first, or None outside of functions.
        function_name: from the name section or an export; empty where it has none.
    """

    def __init__(self, reason: str, offset: int, function: int | None = None, function_name: str = "") -> None:
        where = f"offset {offset:#x}"
        if function is not None:
            where += f", function {function}" + (f" {quoted(function_name)}" if function_name else "")
        super().__init__(f"{where}: {reason}")
        self.reason, self.offset = reason, offset
        self.function, self.function_name = function, function_name


class Malformed(WasmError):
    """Not a WebAssembly binary (chapter 5 of the standard)."""


class Invalid(WasmError):
    """A binary that does not type-check (chapter 3)."""


class Unsupported(WasmError):
    """Of a proposal or a size that insitu does not compile."""


def quoted(name: str) -> str:
    """A name from the file, fit for one line of a terminal."""
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."
    plain = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return '"' + "".join(plain) + '"'
