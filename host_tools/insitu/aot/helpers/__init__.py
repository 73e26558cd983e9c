"""Library helpers in C that stand in for wrong or slow ones of compiler-rt, one a file.

docs/floats.md says what is wrong.

To add one: a file here, that defines the name by which LLVM calls it.
"""

from __future__ import annotations

from pathlib import Path

# Each function in a section of its own, so that the linker takes only those that are called. No unwind tables: an
# ARM object with them asks for their reader.
OPTIONS = (
    "-O2",
    "-fPIC",
    "-fomit-frame-pointer",
    "-ffunction-sections",
    "-fno-builtin",  # a loop that copies is not made a call of what it is part of
    "-fno-unroll-loops",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)


def paths() -> list[Path]:
    """The sources."""
    return sorted(Path(__file__).parent.glob("*.c"))
