"""Modules on an ordinary file system, their code at a place of its own in flash: firmware without ROM file systems."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from insitu.board.boards import load_board
from insitu.commands import mpy
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.mpy import cross
from insitu.mpy.link import apart
from insitu.port.xip.inplace.blob import LOADER

from tests.mpy import modules

pytestmark = [pytest.mark.slow, pytest.mark.qemu]
_BOARD = load_board("rpi_pico")
_MODULES = "checks, functions, assembler, emitted"
_RESULTS = "print(checks.results(functions, assembler, emitted))\n"


@pytest.fixture(scope="module")
def made() -> mpy.Made:
    return mpy.make(modules.all_files(_BOARD), _BOARD, None, "")


@pytest.fixture(scope="module")
def link(made: mpy.Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    flash = tmp_path_factory.mktemp("flash") / "flash.bin"
    code = [(made.address, made.files[mpy.CODE_FILE])]
    with emulated(_BOARD, code, flash_file=flash) as machine, machine.link() as link:
        link.run("import os\nos.mkdir('/lib')\nos.mkdir('/usual')\n")
        for name, data in made.files.items():
            if name != mpy.CODE_FILE:
                _send(link, f"/lib/{name}", data)
        for name, data in modules.all_files(_BOARD).items():
            _send(link, f"/usual/{name}", data)
        yield link


def _send(link: Link, path: str, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    link.run(f"import binascii\nwith open('{path}', 'wb') as f: f.write(binascii.a2b_base64('{text}'))\n", timeout=120)


def test_code_is_executed_where_it_lies(link: Link, made: mpy.Made) -> None:
    link.run("import sys\nsys.path.insert(0, '/usual')\n")
    usual = int(link.run(modules.RAM.format(_MODULES), timeout=120))
    expected = link.run(_RESULTS, timeout=120)
    link.soft_reset()
    link.run(f"import {LOADER}")
    apart = int(link.run(modules.RAM.format(_MODULES), timeout=120))
    assert link.run(_RESULTS, timeout=120) == expected
    pcs = link.run("print(assembler.pc(), functions.viper_pc(), functions.__file__)").split()
    end = made.address + len(made.files[mpy.CODE_FILE])
    assert all(made.address <= int(pc) < end for pc in pcs[:2])
    assert pcs[2] == b"/lib/functions.mpy"
    assert apart < usual / 2
    link.run("import gc\nfor _ in range(5):\n  x = [bytearray(i) for i in range(50)]\n  gc.collect()\n", timeout=120)
    assert link.run(_RESULTS, timeout=120) == expected


def test_code_of_another_version_is_refused(link: Link) -> None:
    """The module is newer than what lies in flash: an error, and not a jump into other code."""
    source = "import micropython\n@micropython.native\ndef f(): return %d\n"
    older, newer = (cross.compile_source(source % n, cross.MARCH[_BOARD.target], "new.py") for n in (1, 2))
    address = mpy.make({"new.mpy": older}, _BOARD, None, "").address
    _send(link, "/new.mpy", apart(newer, address)[0])
    with pytest.raises(DeviceError, match="the code in flash is of another version than the module: deploy both"):
        link.run("import new")
