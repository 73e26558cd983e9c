"""An RP2040 in rp2040py, its USB serial line a pty."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from insitu.board.record import Board, Region
from insitu.errors import InsituError, LineError
from insitu.link.raw_repl import Link
from insitu.machine.emulator import Emulator
from insitu.machine.process import start_process

_PATIENCE = 180.0  # seconds


class Rp2040(Emulator):
    """The whole flash is in the file, firmware and file system too. Its time goes by executed cycles, always.

    Attributes: operations: erase and program operations after which the power is cut; 0: never.
    """

    FIRMWARE: ClassVar[str] = ".bin"
    OPTIONS: ClassVar[Mapping[str, type]] = {}
    operations = 0

    @classmethod
    def summary(cls, table: Mapping[str, Any]) -> str:
        """The emulator's name."""
        return "rp2040py"

    @classmethod
    def flash_region(cls, board: Board) -> Region:
        """The chip's flash."""
        return board.chip.flash

    def link(self) -> Link:
        """As every emulator's; it may take long: 1/20 of the chip's speed, if the host has nothing else to do."""
        return Link(self.port, timeout=_PATIENCE)

    def start(self) -> str:
        """Start the process; it prints the pty that it made. Firmware that is not the wanted one is replaced."""
        if importlib.util.find_spec("rp2040py") is None:
            raise InsituError(
                f"{self.board.name} is emulated by rp2040py, which is not installed: pip install insitu[rp2040]"
            )
        firmware, start = self.firmware.read_bytes(), self.flash.region.address
        if self.flash.read(start, len(firmware)) != firmware:
            self.flash.write(start, firmware)
        command = [sys.executable, "-m", "insitu.machine.rp2040_process", str(self.flash.path), str(self.operations)]
        process = start_process(command, self.on_exit)
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise LineError(f"the emulator of {self.board.name} did not start; its words are above")
        return port
