"""A report as one HTML file that needs no network: tables, plots that answer to the pointer, the picture of memory."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from insitu.errors import InsituError
from insitu.report.facts import Facts
from insitu.report.metrics import metrics
from insitu.report.tables import Table, differences, number, of_board, overview
from insitu.telemetry import draw

_CARDS = ("image", "RAM needed", "operand stack needed", "operand stack peak", "global heap peak", "package")
_SHORT = 14  # rows of a table that is open at first
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style><script>{plotly}</script></head>
<body><header><h1>{title}</h1><p>{boards}</p></header><main>{body}</main>
<script type="application/json" id="facts">{facts}</script></body></html>
"""


def html(report: Facts) -> str:
    """The whole page. Raises InsituError where plotly is not installed."""
    if importlib.util.find_spec("plotly") is None:
        raise InsituError("plotly, which draws the plots, is not installed: pip install insitu[report]")
    from plotly.offline import get_plotlyjs

    body = [_table(table, opened=True) for table in differences(report)]
    for board in report["boards"]:
        body += _board(board)
    return _PAGE.format(
        title=escape(", ".join(dict.fromkeys(board["app"] for board in report["boards"]))),
        boards=escape(", ".join(f"{board['board']} ({board['target']})" for board in report["boards"])),
        style=files("insitu.report").joinpath("page.css").read_text(),
        plotly=get_plotlyjs(),
        body="\n".join(body),
        facts=json.dumps(report).replace("</", "<\\/"),
    )


def _board(board: Facts) -> Iterator[str]:
    from insitu.report import plots

    tables = {table.title.partition(",")[0]: table for table in [overview(board), *of_board(board)]}
    yield f"<h2 id='{escape(board['board'])}'>{escape(board['description'])}</h2>"
    yield _cards(board)
    yield "<section><h3>Flash, by what has it</h3>" + _plot(plots.flash(board)) + "</section>"
    if "path" in board["stack"]:
        yield "<section><h3>The deepest path of calls</h3>" + _plot(plots.deepest_path(board)) + "</section>"
    if board["recording"]:
        yield "<section><h3>RAM over the calls</h3>" + _plot(plots.ram(board)) + "</section>"
        last = board["recording"][-1]["snapshot"]
        if last["global_heap"] and last["global_heap"]["size"]:
            picture = draw.svg(last, f"{board['board']}, after {board['recording'][-1]['mark']}")
            yield f"<section class='picture'><h3>Where everything lies</h3>{picture}</section>"
    yield from map(_table, tables.values())


def _plot(figure: object) -> str:
    from plotly.io import to_html

    config = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    return str(to_html(figure, config=config, full_html=False, include_plotlyjs=False))


def _cards(board: Facts) -> str:
    found = metrics(board)
    cards = [
        f"<div class='card'><b>{number(found[name])}</b><span>{name}</span></div>" for name in _CARDS if name in found
    ]
    return f"<div class='cards'>{''.join(cards)}</div>"


def _table(table: Table, opened: bool | None = None) -> str:
    """opened: None where that depends on how long it is."""
    if not table.rows:
        return ""
    keys = table.keys or ("",) * len(table.rows)
    numeric = [table.is_number(column) for column in range(len(table.columns))]
    rows = [_row("td", row, numeric, key) for row, key in zip(table.rows, keys, strict=True)]
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    head = _row("th", table.columns, numeric)
    shown = len(rows) <= _SHORT if opened is None else opened
    return (
        f"<details{' open' if shown else ''}><summary>{escape(table.title)}</summary>{note}"
        f"<div class='wide'><table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _row(tag: str, cells: Sequence[str], numeric: Sequence[bool], key: str = "") -> str:
    known = f" data-metric='{escape(key)}'" if key else ""
    classes = [" class='number'" if is_number else "" for is_number in numeric]
    shown = [f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in zip(cells, classes, strict=True)]
    return f"<tr{known}>{''.join(shown)}</tr>"
