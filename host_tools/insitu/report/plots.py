"""A report's plots, by plotly: flash as a treemap, the deepest path of calls, RAM over the calls."""

from __future__ import annotations

from pathlib import PurePosixPath

import plotly.graph_objects as go

from insitu.image.parts import CONSTANTS, DATA, ENTRY, FUNCTIONS, LIBRARY, NAMES, REST, TABLES
from insitu.report.facts import Facts
from insitu.telemetry.draw import CURVES
from insitu.telemetry.record import curves

_COLORS = {
    FUNCTIONS: "#4e79a7",
    LIBRARY: "#f28e2b",
    ENTRY: "#9c755f",
    CONSTANTS: "#76b7b2",
    TABLES: "#59a14f",
    NAMES: "#edc948",
    DATA: "#b07aa1",
    REST: "#bab0ac",
}
_LAYOUT = {
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#222"},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#b4bcc6", "activecolor": "#22324a"},
    "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
}
_GRID = {"gridcolor": "#e3e6ea", "zeroline": False}


def flash(board: Facts) -> go.Figure:
    """Every byte of the image: kinds, and what is in them; areas are bytes."""
    found = board["flash"]
    kinds = [(kind, size) for kind, size in found["kinds"].items() if size]
    rows = found["parts"]
    return go.Figure(
        go.Treemap(
            ids=["image", *(kind for kind, _ in kinds), *(f"{row['kind']}/{i}" for i, row in enumerate(rows))],
            labels=[board["app"], *(kind for kind, _ in kinds), *(_short(row) for row in rows)],
            parents=["", *("image" for _ in kinds), *(row["kind"] for row in rows)],
            values=[found["image"], *(size for _, size in kinds), *(row["bytes"] for row in rows)],
            customdata=["", *("" for _ in kinds), *(f"<br>{row['name']}<br>{row.get('source', '')}" for row in rows)],
            marker={
                "colors": ["#dfe4ea", *(_COLORS[kind] for kind, _ in kinds), *(_COLORS[row["kind"]] for row in rows)],
                "line": {"color": "#fff", "width": 1},
            },
            branchvalues="total",
            textinfo="label+value",
            hovertemplate="%{label}<br>%{value:,} bytes, %{percentRoot:.1%} of the image%{customdata}<extra></extra>",
            tiling={"packing": "squarify", "pad": 2},
        ),
        layout={
            **_LAYOUT,
            "height": 460,
            "margin": dict.fromkeys("lrtb", 0),
            "uniformtext": {"minsize": 9, "mode": "hide"},
        },
    )


def _short(row: Facts) -> str:
    """A name without what all of its kind have, and the source's file without its folders."""
    name = str(row["name"]).removeprefix("library helper ")
    if name.startswith("function ") and name.endswith(")"):
        name = name.partition(" (")[2][:-1]
    file, _, line = str(row.get("source", "")).rpartition(":")
    return f"{name}<br>{PurePosixPath(file).name}:{line}" if file else name


def deepest_path(board: Facts) -> go.Figure:
    """Frames below each other, the guard at the end, the stack's peaks by call as lines."""
    stack = board["stack"]
    steps = [(step["function"], step["bytes"]) for step in stack["path"]]
    steps.append(("guard", stack["guard"]))
    bases = [sum(size for _, size in steps[:i]) for i in range(len(steps))]
    names = [f"{i + 1}. {name}" for i, (name, _) in enumerate(steps)]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=names,
            x=[size for _, size in steps],
            base=bases,
            marker={"color": ["#4e79a7"] * (len(steps) - 1) + ["#bab0ac"]},
            text=[f"{size:,}" for _, size in steps],
            textposition="auto",
            customdata=[base + size for base, (_, size) in zip(bases, steps, strict=True)],
            hovertemplate="%{y}<br>%{x:,} bytes, %{customdata:,} in all<extra></extra>",
        ),
        layout={**_LAYOUT, "height": 110 + 30 * len(steps), "showlegend": False},
    )
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix=" ")
    figure.update_xaxes(title="bytes of operand stack", rangemode="tozero", **_GRID)
    peak = max([call["peaks"]["operand stack"] for call in board["calls"]], default=0)
    if peak:
        figure.add_vline(x=peak, line={"color": "#e15759", "dash": "dash"})
        figure.add_annotation(x=peak, y=1, yref="paper", text=f"measured: {peak:,}", showarrow=False, yanchor="bottom")
        figure.update_layout(margin_t=28)
    return figure


def ram(board: Facts) -> go.Figure:
    """Pools over the entries of the recording."""
    entries = board["recording"]
    marks = [f"{i}. {entry['mark']}" if entry["mark"] else f"{i}." for i, entry in enumerate(entries)]
    figure = go.Figure(layout={**_LAYOUT, "height": 380, "hovermode": "x unified", "legend": {"orientation": "h"}})
    for name, values in curves([entry["snapshot"] for entry in entries]).items():
        line = {"color": CURVES[name], "dash": "dot" if name.endswith("peak") else "solid", "shape": "hv"}
        figure.add_scatter(x=marks, y=values, name=name, mode="lines+markers", line=line, marker={"size": 5})
    figure.update_yaxes(title="bytes", rangemode="tozero", **_GRID)
    figure.update_xaxes(**_GRID, automargin=True)
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin_t=40, margin_l=60)
    return figure
