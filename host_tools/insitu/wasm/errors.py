"""Why a module is refused."""

from __future__ import annotations

from insitu.errors import InsituError


class WasmError(InsituError):
    """A module that cannot be compiled.

    Attributes:
        reason: begins with the standard test suite's message where it has one.
        offset: byte offset in the file; function: its index; name: its name, if the name section has it.
    """

    def __init__(self, reason: str, offset: int, function: int | None = None, name: str = "") -> None:
        where = f"offset {offset:#x}"
        if function is not None:
            where += f", function {function}" + (f' "{name}"' if name else "")
        super().__init__(f"{where}: {reason}")
        self.reason, self.offset, self.function, self.name = reason, offset, function, name


class Malformed(WasmError):
    """Not a WebAssembly binary (chapter 5 of the standard)."""


class Invalid(WasmError):
    """A binary that does not type-check (chapter 3)."""


class Unsupported(WasmError):
    """Valid, but of a proposal or feature that insitu does not compile."""
