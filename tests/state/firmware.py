"""Sequences on a board's real firmware, one boot for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from insitu.board.boards import load_board

from tests.firmware import BOARDS, Firmware
from tests.state import machines
from tests.state.run import Sequence, generated

_DEVICE = Path(__file__).with_name("device.py")
_HEAP = 1 << 20
_NESTED = 1  # operations inside imports: a board's own stack has no room for more


class _State:
    """device.State on the board, asked step by step: what comes next depends on what came."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware

    def step(self, operation: Any) -> Any:
        answer = self._firmware.answers("state.step", [(operation,)])[0]
        return ([], f"Python's own exception: {answer[1]}") if answer[0] == "exception" else answer


def sequences(target: str, first: int, steps: int) -> Iterator[Sequence]:
    """Of the seeds from first on, until so many operations were made."""
    flash = load_board(BOARDS[target][0]).image.address
    addresses, data = machines.lay_out(target, flash)
    with Firmware(target, data, [_DEVICE]) as firmware:
        options = {"heap": (firmware.heap[0], _HEAP)}
        while steps > 0:
            firmware.run(f"import gc\nstate = None\ngc.collect()\nstate = State({addresses!a}, {options!a})\n")
            sequence = generated(first, _State(firmware), nested=_NESTED)
            steps -= sequence.steps
            first += 1
            yield sequence
            if sequence.finding:
                return  # the board is not what it was
            firmware.run("state.runtime.destroy()\n")
