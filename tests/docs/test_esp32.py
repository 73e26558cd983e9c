"""Every command of docs/boards/esp32c3.md: those of esptool on a mock of the boot loader; the others on MicroPython in
QEMU, rv32imc without inline assembler, where memory stands for flash, for the flash MMU's table, and for partitions."""

from __future__ import annotations

import ast
import os
import shutil
import sys
from pathlib import Path

import pytest
from esp32_mock_bootloader import mock_bootloader
from insitu.board import boards
from insitu.board.boards import load_board
from insitu.flash import esp_partitions, esptool, mapped
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package import compile as package
from insitu.package import controller, files
from insitu.package.names import PORT as SOURCES

from tests.cli.conftest import Command, insitu, refused
from tests.docs.moved import file_system, moved
from tests.docs.page import as_if_at, follow
from tests.flash.esp32_flash import STOCK, table

__all__ = ["insitu"]

_PAGE, _CALLED = "esp32c3.md", 8  # commands
_WINDOW, _TABLE, _ROMFS = 0x84000000, 0x86000000, 0x23000000
# QEMU's "virt" has a register there that takes a 1 and reads as 0: a cache that has done what it was told.
_CONTROL = 0x00100000
_ROW = f'"-misa-spec=2.2": ({_WINDOW}, 0, 128, 0, {_TABLE}, 4, 0, 0, 0, {_CONTROL}, 1, 0, 5, 0),'
_FIRMWARE = f"""
import sys, uctypes, vfs
from machine import mem32
class _Machine:
    mem32 = mem32
    disable_irq = lambda: 0
    enable_irq = lambda state: None
class _Partition:
    def __init__(self, name):
        if name != "insitu": raise OSError(2)
    def info(self):
        return 1, 6, 0x300000, 0x100000, "insitu", False
    def _view(self, block, offset, size):
        return uctypes.bytearray_at({_WINDOW + 0x700000} + 4096 * block + offset, size)
    def ioctl(self, command, block):
        self._view(block, 0, 4096)[:] = b"\\xff" * 4096
    def writeblocks(self, block, data, offset):
        self._view(block, offset, len(data))[:] = data
    def readblocks(self, block, data, offset):
        data[:] = self._view(block, offset, len(data))
class _Esp32:
    Partition = _Partition
sys.modules["machine"], sys.modules["esp32"] = _Machine, _Esp32
vfs.mount(vfs.VfsRom(uctypes.bytearray_at({_ROMFS}, %d)), "/")
if "/lib" not in sys.path: sys.path.append("/lib")
"""


def _sources(folder: Path) -> Path:
    """port/ with a chip more."""
    copy = shutil.copytree(SOURCES, folder / "port")
    path = copy / "platform" / "mapped_flash.py"
    path.write_text(path.read_text().replace("_CHIPS = {", f"_CHIPS = {{{_ROW}"))
    return copy


@pytest.mark.slow
@pytest.mark.qemu
def test_every_command(insitu: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = load_board("esp32c3")
    there, sources = moved(real, _WINDOW), _sources(tmp_path)
    for module in (package, mapped, controller):
        monkeypatch.setattr(module, "PORT", sources)
    system = file_system(files.copied(there), _ROMFS)
    soft_reset = Link.soft_reset

    def again(link: Link) -> None:
        """A firmware has its file system and its modules after a reset, too."""
        soft_reset(link)
        link.run(_FIRMWARE % len(system))

    monkeypatch.setattr(Link, "soft_reset", again)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # `python` is ours
    monkeypatch.setenv("ESPTOOL_BEFORE", "no-reset")
    monkeypatch.setenv("ESPTOOL_AFTER", "no-reset")
    boot_loader = esptool.BootLoader
    with (
        mock_bootloader(chip="esp32c3") as mock,
        emulated(load_board("qemu_rv32_no_asm"), [(_ROMFS, system)]) as machine,
    ):
        monkeypatch.setattr(esptool, "BootLoader", lambda board, _, folder: boot_loader(board, mock.url(), folder))
        with esptool.boot_loader(real, None) as loader:
            loader.write((esp_partitions.OFFSET, table(STOCK)))
        with machine.link() as link:
            link.soft_reset()

        def by_esptool(command: str) -> None:
            found = real if "esptool" in command or "partition" in command else there
            monkeypatch.setattr(boards, "load_board", lambda _: found)

        def run(body: str) -> None:
            with machine.link() as link:
                link.soft_reset()
                link.run(f"for i in range(128): mem32[{_TABLE} + 4 * i] = 0")
                assert link.run(body) == b"5\r\n"
                entries = link.run(f"print([mem32[{_TABLE} + 4 * i] for i in range(128)])").decode()
                assert ast.literal_eval(entries) == [0] * 112 + [*range(0x30, 0x40)]
                assert link.run("print('insitu.mapped_flash' in sys.modules)") == b"False\r\n"
                assert link.run("print(hasattr(insitu, 'mapped_flash'))") == b"False\r\n"

        command = as_if_at(real.image.address, there.image.address, insitu)
        assert follow(_PAGE, machine.port, command, run, by_esptool) == _CALLED
        with machine.link() as link:  # a board without the partition, which the page's last command took away
            link.soft_reset()
            link.run("def none(self, name): raise OSError(2)\n_Partition.__init__ = none")
        by_esptool("run")
        done = insitu("run", "add.xip", "-b", "esp32c3", "--port", machine.port, "--invoke", "add", 2, 3)
        refused(done, "esp32c3: no partition insitu: make it with `insitu partition`")
