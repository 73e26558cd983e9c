"""A recording as a picture: bytes over time, by pool, with the marks that were set. By matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from insitu.errors import InsituError
from insitu.telemetry.draw import CURVES
from insitu.telemetry.record import Recording, curves

SUFFIXES = (".svg", ".png")


def check(path: Path) -> None:
    """Raise InsituError where plot could not write such a file, or has nothing to draw with."""
    if path.suffix not in SUFFIXES:
        raise InsituError(f"{path}: a recording is drawn as {' or '.join(SUFFIXES)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise InsituError("matplotlib, which draws recordings, is not installed: pip install insitu[report]")


def plot(recording: Recording, path: Path) -> None:
    """Write the picture. Raises InsituError, see check, and for an empty recording."""
    check(path)
    if not recording.entries:
        raise InsituError("the recording is empty: there is nothing to draw")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    seconds = [entry.seconds for entry in recording.entries]
    for name, values in curves([entry.snapshot for entry in recording.entries]).items():
        style = ":" if name.endswith("peak") else "-"
        axes.plot(seconds, values, style, drawstyle="steps-post", marker=".", color=CURVES[name], label=name)
    for entry in recording.entries:
        if entry.mark:
            axes.axvline(entry.seconds, color="#bbb", linewidth=0.8, zorder=0)
            axes.annotate(
                entry.mark, (entry.seconds, 1), (2, -4), ("data", "axes fraction"), "offset points", rotation=90,
                va="top", fontsize=8, color="#666",
            )  # fmt: skip
    axes.set(xlabel="seconds", ylabel="bytes")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#e3e6ea")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    try:
        figure.savefig(path)
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}") from None
