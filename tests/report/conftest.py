"""The demo on the simulated Cortex-M0+, reported of once: by its source, with its calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from insitu.board.boards import load_board
from insitu.commands.report import Work, make
from insitu.commands.tune import Call
from insitu.places import CHECKOUT

FIR = CHECKOUT / "examples" / "fir" / "app.c"
WORK = Work(
    calls=(Call("init", ("8000", "1000")), Call("process", ("4",))),
    bindings={"adc.read": "2000", "uart.write": "0"},
    flags=("-g",),
    advised=False,
)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = tmp_path_factory.mktemp("report") / "app.c"
    source.write_bytes(FIR.read_bytes())
    return make(Path(source), [load_board("rpi_pico")], WORK)
