"""Every command of docs/boards/nrf52840.md, on a Cortex-M4F in QEMU that has a stand-in for vfs.rom_ioctl."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.flash.romfs import IMAGE_OFFSET
from insitu.link.raw_repl import Link
from insitu.machine import emulated

from tests.cli.conftest import Command, insitu
from tests.docs.page import follow
from tests.flash import twin

__all__ = ["insitu"]

_PAGE, _CALLED = "nrf52840.md", 4  # commands
_IMPORT = re.compile("^import insitu$", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.qemu
def test_every_command(insitu: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board("nrf52840_dk")
    partition = twin.code("device", board.image.address - IMAGE_OFFSET, board.image.size + IMAGE_OFFSET)
    soft_reset = Link.soft_reset

    def again(link: Link) -> None:
        """A firmware has its partition after a reset, too."""
        soft_reset(link)
        link.run(partition)

    monkeypatch.setattr(Link, "soft_reset", again)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # `python` is ours
    with emulated(load_board("qemu_mps2_an386"), []) as machine:
        with machine.link() as link:
            link.soft_reset()

        def run(body: str) -> None:
            with machine.link() as link:
                link.soft_reset()
                link.run("import vfs; vfs.mount(vfs.VfsRom(vfs.rom_ioctl(2, 0)), '/rom')")  # as it starts
                link.run("import sys; sys.path.append('/rom')")
                assert _IMPORT.search(body) and link.run(body) == b"5\r\n"

        assert follow(_PAGE, machine.port, insitu, run) == _CALLED
