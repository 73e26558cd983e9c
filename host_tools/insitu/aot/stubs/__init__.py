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
    "INSTANCE_IMAGE",
    "IMAGE_ARGS",
    "REQUEST_TRAP",
    "REQUEST_BUSY",
    "TRAP_OPERAND_STACK_OVERFLOW",
    "MARK_ENTER",
]


_USED_POLL = ["ENV_PC", "CELL_EXEC_ENV", "INSTANCE_RUNTIME", "REQUEST_POLL"]


_USED_FAR = [
    "ENV_PC",
    "CELL_EXEC_ENV",
    "INSTANCE_RUNTIME",
    "INSTANCE_MEMORY_SIZE",
    "INSTANCE_FAR",
    "FAR_TABLE",
    "FAR_MASK",
    "FAR_NEXT",
    "FAR_LEFT",
    "FAR_ADDRESS",
    "FAR_HIGH",
    "FAR_LOW",
    "FAR_COUNT",
    "FAR_HASH_SHIFT",
    "FAR_STEP",
    "REQUEST_FAR_PAGE",
    "REQUEST_TRAP",
    "TRAP_OUT_OF_BOUNDS_MEMORY",
]


def path(name: str) -> Path:
    """The file of a target's stub."""
    return Path(__file__).parent / name


def defines() -> list[str]:
    """Preprocessor options that give the stubs the layout's offsets."""
    return _defines(_USED)


def far_defines(offsets: int, page: int) -> list[str]:
    """The same for the far routines, whose entries are for so many offsets, and whose pages have so many bytes."""
    own = {"FAR_OFFSETS": offsets, "FAR_PAGE": page, "FAR_SHIFT": page.bit_length() - 1}
    return [*_defines(_USED_FAR), *(f"-D{name}={value}" for name, value in own.items())]


def poll_defines() -> list[str]:
    """The same for the poll routine."""
    return _defines(_USED_POLL)


def _defines(names: list[str]) -> list[str]:
    return [f"-D{name}={getattr(layout, name)}" for name in names]
