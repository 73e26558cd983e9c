"""A board in QEMU, its serial line a pty."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from insitu.board.record import Board, Region
from insitu.errors import LineError
from insitu.machine.emulator import Emulator
from insitu.machine.process import start_process

_PACKAGES = "qemu-system-arm qemu-system-misc"  # Debian's
_PTY = re.compile(r"char device redirected to (\S+)")


class QemuError(LineError):
    """QEMU is missing, or the machine does not start."""


class Qemu(Emulator):
    """Fields of [machine]: command and machine as QEMU calls them; flash: a key of _STORAGE; flash_base: the address
    that is QEMU's 0 for it."""

    FIRMWARE: ClassVar[str] = ".elf"
    OPTIONS: ClassVar[Mapping[str, type]] = {"command": str, "machine": str, "flash": str, "flash_base": int}

    @classmethod
    def problem(cls, table: Mapping[str, Any]) -> str:
        """Also: a way to store flash that is none."""
        wrong = super().problem(table)
        if not wrong and table["flash"] not in _STORAGE:
            return f"flash {table['flash']!r} is none of {', '.join(_STORAGE)}"
        return wrong

    @classmethod
    def summary(cls, table: Mapping[str, Any]) -> str:
        """With QEMU's name of the machine."""
        return f"QEMU {table['machine']}"

    @classmethod
    def flash_region(cls, board: Board) -> Region:
        """From the first to the last byte that insitu has; the firmware comes out of its own file."""
        regions = [region for region in (board.image, board.package) if region]
        first = min(region.address for region in regions)
        return Region(first, max(region.end for region in regions) - first)

    def start(self) -> str:
        """Start QEMU; it prints the pty that it made."""
        command = [self.option("command"), "-M", self.option("machine"), "-semihosting", "-display", "none"]
        if not shutil.which(command[0]):
            raise QemuError(f"{command[0]} is not installed: on Debian, apt-get install {_PACKAGES}")
        command += ["-monitor", "none", "-serial", "pty", *_STORAGE[self.option("flash")](self)]
        if self.counted:
            command += ["-icount", "shift=0"]  # an instruction a nanosecond
        process = start_process(command, self.on_exit, errors=subprocess.STDOUT)
        assert process.stdout is not None
        said = ""
        while line := process.stdout.readline():
            said += line
            if found := _PTY.search(line):
                return found[1]
        raise QemuError(f"{command[0]} did not start: {said.strip()}")


def _loader(machine: Qemu) -> list[str]:
    """Flash that is memory, filled at every start."""
    at = machine.flash.region.address - machine.option("flash_base")
    load = f"loader,file={machine.flash.path},addr={at:#x},force-raw=on"
    return ["-kernel", str(machine.firmware), "-device", load]


def _pflash(machine: Qemu) -> list[str]:
    """A flash chip in a file, the second one. With it QEMU 7.2 does not load -kernel."""
    drive = f"if=pflash,unit=1,format=raw,file={machine.flash.path}"
    return ["-bios", "none", "-device", f"loader,file={machine.firmware}", "-drive", drive]


_STORAGE: dict[str, Callable[[Qemu], list[str]]] = {"loader": _loader, "pflash": _pflash}
