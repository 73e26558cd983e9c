"""The assembly that leaves and enters compiled code, one file an architecture."""

from __future__ import annotations

from pathlib import Path

from insitu.port.xip import layout

_USED = [
    "ENV_MAIN_SP",
    "ENV_SP",
    "ENV_LIMIT",
    "ENV_INSTANCE",
    "ENV_PC",
    "ENV_LEFT",
    "ENV_CELL",
    "CELL_LIMIT",
    "CELL_EXEC_ENV",
    "INSTANCE_RUNTIME",
    "REQUEST_TRAP",
    "REQUEST_BUSY",
    "TRAP_OPERAND_STACK_OVERFLOW",
    "MARK_ENTER",
]


def path(name: str) -> Path:
    """The file of a target's stub."""
    return Path(__file__).parent / name


def defines() -> list[str]:
    """Preprocessor options that give the stubs the layout's offsets."""
    return [f"-D{name}={getattr(layout, name)}" for name in _USED]
