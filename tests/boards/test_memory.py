"""The demo in one buffer of 16 KiB: at every snapshot of its run the pools add up to it, on every board."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu.aot import compile_wasm
from insitu.board import boards
from insitu.session.session import Session
from insitu.telemetry import ask
from insitu.telemetry.decode import owners
from insitu.toolchain import compile_c

from examples.demo import CUTOFF, DEVICE_IMPORTS, SAMPLE_RATE, SOURCE
from tests.boards.device import slow

BUFFER = 16384
FRAME = 300  # bytes of MicroPython's heap that a telemetry frame may take, and what it is written with
# The second one: with the first come what is kept and what is imported.
_COST = """
import gc
from insitu import telemetry
def nothing(data): pass
def cost():
    gc.collect()
    before = gc.mem_alloc()
    telemetry.send(None, nothing, "", False)
    return gc.mem_alloc() - before
cost()
print(cost() + len(telemetry._out))
"""


@pytest.mark.qemu
@pytest.mark.parametrize("name", [pytest.param(name, marks=slow(name)) for name in boards.emulated()])
def test_pools_add_up_to_the_buffer(name: str, tmp_path: Path) -> None:
    board = boards.load_board(name)
    image = compile_wasm(compile_c(SOURCE, tmp_path / "fir.wasm").read_bytes(), board.target)
    imports = {"adc.read": "adc_read", "uart.write": "uart_write"}
    with Session(board, image, imports=imports, prelude=DEVICE_IMPORTS, heap=BUFFER) as session:
        snapshots = [ask.snapshot(session.link)]
        for call, arguments in (("init", [SAMPLE_RATE, CUTOFF]), ("process", [1]), ("process", [2])):
            session.invoke(call, list(arguments))
            snapshots.append(ask.snapshot(session.link))
        cost = int(session.run(_COST).split()[-1])
        session.run("extra = rt.malloc(500); env = inst.create_exec_env(1024)")
        snapshots.append(ask.snapshot(session.link))
    assert 0 < cost <= FRAME
    for snapshot in snapshots:
        heap = snapshot["global_heap"]
        assert sum(owners(snapshot).values()) + heap["overhead"] + heap["free"] == heap["size"] == BUFFER
    assert snapshots[-1]["global_heap"]["host"] >= 500
    assert len(snapshots[-1]["exec_envs"]) == 2
    peaks = [s["exec_envs"][0]["stack_peak"] for s in snapshots]
    assert peaks == sorted(peaks)
    assert peaks[-1] > 0
