"""A board in QEMU: its firmware, what lies in its flash, and its serial line as a pty."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from insitu.boards import Board
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

    def __init__(self, board: Board, contents: list[tuple[int, bytes]], *, icount: bool = False) -> None:
        """contents: (place address as in the board's regions, bytes) of what is to lie in flash.

        icount makes virtual time one nanosecond an instruction.
        """
        self.board, self.contents, self.icount = board, contents, icount
        self.port = ""
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Machine:
        if not shutil.which(self.board.qemu_command):
            raise QemuError(f"{self.board.qemu_command} is not installed: run `make setup`")
        if not self.board.firmware.exists():
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
        firmware = str(self.board.firmware)
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
        """A flash chip's whole contents, erased where nothing lies."""
        path = folder / "flash.bin"
        with path.open("wb") as file:
            file.write(b"\xff" * _PFLASH_SIZE)
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
