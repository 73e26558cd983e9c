"""A report's tables, each with its heading: what Markdown and HTML both show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from insitu.report.facts import Facts
from insitu.report.metrics import compared, functions, metrics, side_by_side

_MOST_ROWS = 40  # of functions


@dataclass(frozen=True, slots=True)
class Table:
    """Attributes: keys: of the first column's rows in metrics, "" for a row that is none; a row's cells are texts."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    keys: tuple[str, ...] = ()
    note: str = ""

    def is_number(self, column: int) -> bool:
        """Whether all that is in it are numbers."""
        cells = [row[column].strip("+-").replace(",", "") for row in self.rows]
        return any(cell.isdigit() for cell in cells) and all(cell.isdigit() or not cell for cell in cells)


def number(value: int | None) -> str:
    """With thousands apart; a dash for what is not known."""
    return "-" if value is None else f"{value:,}"


def _signed(value: int) -> str:
    return f"{value:+,}" if value else "0"


def differences(report: Facts) -> Iterator[Table]:
    """Builds, and boards, side by side; what differs first."""
    for before, now in compared(report):
        yield _change(f"Changes, {now['board']}", metrics(before), metrics(now))
        yield _change(f"Changes by function, {now['board']}", functions(before), functions(now), only_changes=True)
    boards = report["boards"]
    if len(boards) > 1:
        rows = side_by_side([metrics(board) for board in boards])
        shown = [(row.name, *map(number, row.values)) for row in rows]
        yield Table("Boards side by side", ("", *(board["board"] for board in boards)), shown)


def _change(title: str, before: dict[str, int], now: dict[str, int], only_changes: bool = False) -> Table:
    rows = []
    for row in side_by_side([before, now]):
        old, new = row.values
        if old != new or not only_changes:
            rows.append((row.name, number(old), number(new), _signed((new or 0) - (old or 0))))
    return Table(title, ("", "before", "now", "change"), rows)


def overview(board: Facts) -> Table:
    """The numbers that a budget may limit."""
    found = metrics(board)
    return Table("In numbers", ("", "bytes, or instructions"), [(n, number(v)) for n, v in found.items()], (*found,))


def of_board(board: Facts) -> Iterator[Table]:
    """All that there is about a board, in the order flash, stack, RAM, calls, savings."""
    yield _flash(board)
    yield from _stack(board)
    yield from _ram(board)
    if board["savings"]:
        rows = [(s["how"], _signed(s["flash"]), _signed(s["linear_memory"]), s["note"]) for s in board["savings"]]
        yield Table("What would save", ("", "flash saved", "linear memory saved", ""), rows)


def _flash(board: Facts) -> Table:
    flash = board["flash"]
    rows = [(p["kind"], p["name"], number(p["bytes"]), p.get("source", "")) for p in flash["parts"][:_MOST_ROWS]]
    rest = flash["parts"][_MOST_ROWS:]
    if rest:
        rows.append(("", f"{len(rest)} more", number(sum(p["bytes"] for p in rest)), ""))
    rows.append(("", "all of the image", number(flash["image"]), f"of {number(flash['room'])} that the board has"))
    note = "" if flash["by_function"] else "Of an image alone a function is known up to where the next begins."
    return Table("Flash", ("kind", "what", "bytes", "source"), rows, note=note)


def _stack(board: Facts) -> Iterator[Table]:
    stack = board["stack"]
    needed = number(stack["needed"]) if stack["needed"] is not None else "not known: there is recursion"
    if "path" not in stack:
        return
    rows, deep = [], 0
    for step in stack["path"]:
        deep += step["bytes"]
        rows.append((step["function"], number(step["bytes"]), number(deep)))
    rows.append(("guard: what no check asks for", number(stack["guard"]), number(deep + stack["guard"])))
    yield Table("Deepest path", ("function", "bytes", "in all"), rows, note=f"Operand stack needed: {needed}.")
    if stack["recursions"]:
        loops = [(" and ".join(loop),) for loop in stack["recursions"]]
        yield Table("Recursion", ("may call each other, or themselves",), loops)
    rows = [(f["function"], number(f["bytes"]), f.get("source", "")) for f in stack["frames"][:_MOST_ROWS]]
    yield Table("Frames", ("function", "bytes", "source"), rows)


def _ram(board: Facts) -> Iterator[Table]:
    ram = board["ram"]
    rows = [(name.replace("_", " "), number(size)) for name, size in ram["needed"].items()]
    yield Table("RAM of one instance", ("of the global heap", "bytes"), rows, note=ram["linear_memory_hint"])
    if ram["pools"]:
        rows = [(p["pool"], *(number(p[k]) for k in ("size", "used", "peak")), p["note"]) for p in ram["pools"]]
        yield Table(f"Pools, {board['measured_on']}", ("pool", "size", "used", "peak", ""), rows)
    if board["calls"]:
        names = [*board["calls"][0]["peaks"]]
        rows = [
            (
                c["call"],
                ", ".join(map(str, c["results"])),
                number(c["instructions"]),
                *(number(c["peaks"][n]) for n in names),
            )
            for c in board["calls"]
        ]
        yield Table("Calls", ("call", "results", "instructions", *(f"{name} peak" for name in names)), rows)
