"""Every command of docs/boards/stm32.md: those with a port on a Cortex-M4F in QEMU, where memory stands for flash and
there is a file system at /flash; the others as they are, with a simulated boot loader at USB."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from insitu.board import boards
from insitu.board.boards import load_board
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package import controller, files

from tests.cli.conftest import Command, insitu
from tests.docs.moved import file_system, moved
from tests.docs.page import PORT, as_if_at, follow
from tests.flash.dfuse_device import Stm32
from tests.flash.test_dfu import DEVICES

__all__ = ["insitu"]

_PAGE, _CALLED = "stm32.md", 8  # commands
_MEMORY, _ROMFS = 0x00200000, 0x003E0000
# What flash_stm32.py is to the real chip; that is tests/flash/'s.
_IN_MEMORY = """
import uctypes
PAGE = 32
buffer = bytearray(4096)
def free(): return CHIP[3:]
def erase(address): uctypes.bytearray_at(address, 0x20000)[:] = b"\\xff" * 0x20000
def program(address, start, end): uctypes.bytearray_at(address + start, end - start)[:] = memoryview(buffer)[start:end]
"""


@pytest.mark.slow
@pytest.mark.qemu
def test_every_command(insitu: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = load_board("pybv11")
    there = moved(real, _MEMORY)
    system = file_system(files.linked(there), _ROMFS)
    mount = (
        f"import sys, uctypes, vfs\nvfs.mount(vfs.VfsRom(uctypes.bytearray_at({_ROMFS}, {len(system)})), '/flash')\n"
        "sys.path += ['/flash', '/flash/lib']\n"
    )
    soft_reset = Link.soft_reset

    def again(link: Link) -> None:
        """A firmware has its file system after a reset, too."""
        soft_reset(link)
        link.run(mount)

    monkeypatch.setattr(Link, "soft_reset", again)
    monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda: Stm32(*DEVICES["pybv11"]))
    monkeypatch.setattr(controller, "PORT", tmp_path)
    (tmp_path / "platform").mkdir()
    for name in controller._PROGRAMS[real.chip.controller]:
        (tmp_path / name).write_text(_IN_MEMORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # `python` is ours
    with emulated(load_board("qemu_mps2_an386"), [(_ROMFS, system)]) as machine:
        with machine.link() as link:
            link.soft_reset()

        def over_line(command: str) -> None:
            found = there if PORT in command else real
            monkeypatch.setattr(boards, "load_board", lambda _: found)

        def run(body: str) -> None:
            with machine.link() as link:
                link.soft_reset()
                text = body.replace(f"{real.image.address:#010x}", hex(there.image.address))
                assert text != body and link.run(text) == b"5\r\n"

        command = as_if_at(real.image.address, there.image.address, insitu)
        assert follow(_PAGE, machine.port, command, run, over_line) == _CALLED
