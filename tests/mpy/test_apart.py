"""Modules on an ordinary file system, their code at a place of its own in flash: firmware without ROM file systems."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest
from insitu.board.boards import load_board
from insitu.commands import mpy
from insitu.flash import device
from insitu.flash.writer import Target
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.mpy import cross, firmware
from insitu.mpy.link import apart
from insitu.port.xip.inplace.blob import LOADER
from insitu.steps import silent

from tests.mpy import modules, natmods

pytestmark = [natmods.needed, pytest.mark.slow, pytest.mark.qemu]
_BOARD = load_board("rpi_pico")
_MODULES = "checks, functions, assembler, emitted"
_IN_C = ", ".join(f"{name}_c" for name in (*natmods.SMALL, "where"))
_RESULTS = """
print(checks.results(functions, assembler, emitted))
print(features0_c.factorial(10), features1_c.access(), features3_c.make_dict(1, 2))
print(features4_c.Factorial(5).calculate())
heap = [3, 1, 2]
heapq_c.heapify(heap)
print(heap)
"""
_COLLECTIONS = """
import gc
held = functions.adder(1), functions.count(99), functions.Point(5), features4_c.Factorial(5)
for i in range(60):
    garbage = [bytearray(i) for i in range(20)]
    gc.collect()
    assert (held[0](1), next(held[1]), held[2].scaled(), held[3].calculate()) == (i + 3, i * i, 30, 120)
    assert assembler.asm_sum(1, 2, 3) == 6 and emitted.scaled(4) == 18
"""


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {**modules.all_files(_BOARD), **natmods.built("armv6m", natmods.SMALL)}


@pytest.fixture(scope="module")
def made(files: dict[str, bytes]) -> mpy.Made:
    with emulated(_BOARD, []) as machine, machine.link() as link:
        known = firmware.ask(link, _BOARD.name)
    # A collection looks at the heap up to its last block in use; with C's variables at its end 60 take half a minute.
    return mpy.make(files, _BOARD, None, "", replace(known, heap_end=known.heap_end - 0x28000))


@pytest.fixture(scope="module")
def link(files: dict[str, bytes], made: mpy.Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    flash = tmp_path_factory.mktemp("flash") / "flash.bin"
    code = [(made.address, made.files[mpy.CODE_FILE])]
    with emulated(_BOARD, code, flash_file=flash) as machine, machine.link() as link:
        link.run("import os\nos.mkdir('/lib')\nos.mkdir('/usual')\n")
        for name, data in made.files.items():
            if name != mpy.CODE_FILE:
                _send(link, f"/lib/{name}", data)
        for name, data in files.items():
            _send(link, f"/usual/{name}", data)
        yield link


def _send(link: Link, path: str, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    link.run(f"import binascii\nwith open('{path}', 'wb') as f: f.write(binascii.a2b_base64('{text}'))\n", timeout=120)


def test_code_is_executed_where_it_lies(link: Link, made: mpy.Made) -> None:
    link.run("import sys\nsys.path.insert(0, '/usual')\n")
    usual = int(link.run(modules.RAM.format(_MODULES), timeout=120))
    link.run(f"import {_IN_C}")
    expected = link.run(_RESULTS, timeout=120)
    assert not any(_in_flash(link, made))
    link.soft_reset()
    link.run(f"import {LOADER}")
    apart = int(link.run(modules.RAM.format(_MODULES), timeout=120))
    assert apart < usual / 2
    assert b"copied" not in link.run(f"import {_IN_C}")
    assert link.run(_RESULTS, timeout=120) == expected
    assert all(_in_flash(link, made))
    link.run(_COLLECTIONS, timeout=120)
    assert link.run(_RESULTS, timeout=120) == expected
    link.soft_reset()
    assert b"copied" not in link.run(f"import {_MODULES}, {_IN_C}", timeout=120)
    assert link.run(_RESULTS, timeout=120) == expected
    assert all(_in_flash(link, made))


def _in_flash(link: Link, made: mpy.Made) -> list[bool]:
    """Of the program counter in a function of each kind that can tell it, and of a function's object in C."""
    found = link.run("print(assembler.pc(), functions.viper_pc(), where_c.pc(), id(where_c.pc))").split()
    end = made.address + len(made.files[mpy.CODE_FILE])
    return [made.address <= int(at) < end for at in found]


def test_code_of_another_version_is_refused(link: Link) -> None:
    """The module is newer than what lies in flash: an error, and not a jump into other code."""
    source = "import micropython\n@micropython.native\ndef f(): return %d\n"
    older, newer = (cross.compile_source(source % n, cross.MARCH[_BOARD.target], "new.py") for n in (1, 2))
    address = mpy.make({"new.mpy": older}, _BOARD, None, "").address
    _send(link, "/new.mpy", apart(newer, address)[0])
    with pytest.raises(DeviceError, match="the code in flash is of another version than the module: deploy both"):
        link.run("import new")


def test_deploying_again_while_functions_are_alive(link: Link) -> None:
    """MicroPython is reset before its code changes: nothing is left that could call what was there."""
    source = "import micropython\n@micropython.native\ndef f(): return %d\n"
    for version in (1, 2):
        compiled = cross.compile_source(source % version, cross.MARCH[_BOARD.target], "new.py")
        made = mpy.make({"new.mpy": compiled}, _BOARD, None, "")
        device.write(Target(_BOARD, link), made.address, made.files[mpy.CODE_FILE], silent)
        assert link.run("print('held' in globals(), 'new' in __import__('sys').modules)") == b"False False\r\n"
        _send(link, "/new.mpy", made.files["new.mpy"])
        assert link.run("import new\nheld = new.f\nprint(held())") == b"%d\r\n" % version
