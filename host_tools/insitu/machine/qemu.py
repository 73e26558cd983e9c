"""A board in QEMU: its firmware, what lies in its flash, and its serial line as a pty."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from insitu.board.boards import Board
from insitu.errors import InsituError

_PFLASH_SIZE = 32 << 20
_PTY = re.compile(r"char device redirected to (\S+)")


class QemuError(InsituError):
    """QEMU or the firmware is missing, or the machine does not start."""


class Machine:
    """A running machine; use it in a `with`.

    Attributes:
        port: path of the pty that is the board's serial line.
    """

    def __init__(
        self,
        board: Board,
        contents: list[tuple[int, bytes]],
        *,
        icount: bool = False,
        firmware: Path | None = None,
        flash_file: Path | None = None,
    ) -> None:
        """contents: (place address as in the board's regions, bytes) of what is to lie in flash.

        icount makes virtual time one nanosecond an instruction. firmware: another than the board's. flash_file: the
        chip of a board with a flash chip, made erased if it is not there; it keeps what is written. None: one that
        ends with the machine.
        """
        self.board, self.contents, self.icount = board, contents, icount
        self.firmware, self.flash_file = firmware or board.firmware, flash_file
        self.port = ""
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Machine:
        if not shutil.which(self.board.qemu_command):
            raise QemuError(f"{self.board.qemu_command} is not installed: run `make setup`")
        if not self.firmware.exists():
            raise QemuError(f"no firmware for {self.board.name}: run `make setup`")
        self._folder = tempfile.TemporaryDirectory(prefix="insitu-qemu-")
        command = [self.board.qemu_command, "-M", self.board.qemu_machine, "-semihosting", "-display", "none"]
        command += ["-monitor", "none", "-serial", "pty", *self._storage(Path(self._folder.name))]
        if self.icount:
            command += ["-icount", "shift=0"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.port = self._find_port()
        return self

    def _storage(self, folder: Path) -> list[str]:
        firmware = str(self.firmware)
        if self.board.place == "pflash":
            return [
                "-bios",
                "none",
                "-device",
                f"loader,file={firmware}",
                "-drive",
                f"if=pflash,unit=1,format=raw,file={self._flash_file(folder)}",
            ]
        options = ["-kernel", firmware]
        for number, (address, data) in enumerate(self.contents):
            path = folder / f"{number}.bin"
            path.write_bytes(data)
            options += ["-device", f"loader,file={path},addr={address:#x},force-raw=on"]
        return options

    def _flash_file(self, folder: Path) -> Path:
        path = self.flash_file or folder / "flash.bin"
        if not path.exists() or path.stat().st_size != _PFLASH_SIZE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff" * _PFLASH_SIZE)
        with path.open("r+b") as file:
            for address, data in self.contents:
                file.seek(address)
                file.write(data)
        return path

    def _find_port(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        said = ""
        while line := self._process.stdout.readline():
            said += line
            if found := _PTY.search(line):
                return found[1]
        raise QemuError(f"{self.board.qemu_command} did not start: {said.strip()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
        if self._folder is not None:
            self._folder.cleanup()
