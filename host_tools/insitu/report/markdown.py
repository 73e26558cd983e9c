"""A report as Markdown: its tables."""

from __future__ import annotations

from collections.abc import Iterable

from insitu.report.facts import Facts
from insitu.report.tables import Table, differences, of_board, overview


def markdown(report: Facts) -> str:
    """The whole report."""
    names = ", ".join(dict.fromkeys(board["app"] for board in report["boards"]))
    parts = [f"# {names}\n", *_tables(differences(report), "##")]
    for board in report["boards"]:
        parts.append(f"## {board['board']}: {board['description']}\n")
        parts += _tables([overview(board), *of_board(board)], "###")
    return "\n".join(parts)


def _tables(tables: Iterable[Table], heading: str) -> list[str]:
    return [_table(table, heading) for table in tables if table.rows]


def _table(table: Table, heading: str) -> str:
    lines = [_row(table.columns), _row(["---"] * len(table.columns)), *map(_row, table.rows)]
    note = f"{table.note}\n\n" if table.note else ""
    return f"{heading} {table.title}\n\n{note}" + "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
