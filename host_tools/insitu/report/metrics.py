"""The numbers that one build, or board, is compared with another by, and that a budget limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from insitu.report.facts import Facts

PACKAGE = "package"
INSTRUCTIONS, STACK_PEAK = "instructions", "operand stack peak"  # by call: the name, a colon, the call


def metrics(board: Facts) -> dict[str, int]:
    """Bytes, and instructions, by name; what was not measured, or is not known, is not there."""
    ram, stack = board["ram"], board["stack"]
    found: dict[str, int | None] = {
        "image": board["flash"]["image"],
        **{f"flash: {kind}": size for kind, size in board["flash"]["kinds"].items()},
        "operand stack needed": stack["needed"],
        "stack guard": stack["guard"],
        "linear memory": ram["linear_memory"],
        "RAM needed": ram["needed"]["sum"],
        PACKAGE: ram["package"],
    }
    for pool in ("global heap", "operand stack", "aux stack", "app heap"):
        found[f"{pool} peak"] = max([call["peaks"][pool] for call in board["calls"]], default=None)
    for call in board["calls"]:
        found[f"{STACK_PEAK}: {call['call']}"] = call["peaks"]["operand stack"]
        found[f"{INSTRUCTIONS}: {call['call']}"] = call["instructions"]
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Row:
    """A number, of several builds or boards; None where it is not known."""

    name: str
    values: tuple[int | None, ...]

    @property
    def differs(self) -> int:
        """How far the values lie apart; 0: they are the same, or one is not known."""
        known = [value for value in self.values if value is not None]
        return max(known, default=0) - min(known, default=0)


def side_by_side(columns: Sequence[Mapping[str, int]]) -> list[Row]:
    """All names, those that differ first, the largest difference first of all; then in the order that they have."""
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [Row(name, tuple(column.get(name) for column in columns)) for name in names]
    return sorted(rows, key=lambda row: -row.differs)


def functions(board: Facts) -> dict[str, int]:
    """Bytes of flash by what has them, for a comparison of two builds."""
    return {f"{part['kind']}: {part['name']}": part["bytes"] for part in board["flash"]["parts"]}


def compared(report: Facts) -> list[tuple[Facts, Facts]]:
    """Each board, as it was in the report that this one is compared with, and now."""
    before = {board["board"]: board for board in report.get("compared_with", [])}
    return [(before[board["board"]], board) for board in report["boards"] if board["board"] in before]
