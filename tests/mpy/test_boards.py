"""Linked modules on stock firmware: where their code is, and that it does what it does after an ordinary import."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from functools import cache

import pytest
from insitu.board.boards import load_board
from insitu.board.record import Board
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.mpy import device
from insitu.mpy.link import in_place
from insitu.package.deploy import mount_code
from insitu.port.xip.inplace.blob import LOADER
from mpremote.romfs import VfsRomWriter

from tests import newest
from tests.mpy import modules

pytestmark = pytest.mark.qemu

BOARDS = ("qemu_mps2_an385", "qemu_stm32f405", "qemu_rv32")
_IMPORT = "import gc, sys, checks, functions, assembler, emitted\n"
_RESULTS = "print(checks.results(functions, assembler, emitted))\n"
_ROUNDS = """
first = str(checks.results(functions, assembler, emitted))
for _ in range(60):
    garbage = [bytearray(i) for i in range(100)]
    gc.collect()
    assert str(checks.results(functions, assembler, emitted)) == first
"""
# A file system of objects.
_RAM = """
import io, sys, vfs
files = {}
class Ram:
    def mount(self, readonly, mkfs): pass
    def umount(self): pass
    def stat(self, path):
        if path not in files: raise OSError(2)
        return (0x8000,) + (0,) * 9
    def open(self, path, mode): return io.BytesIO(files[path])
vfs.mount(Ram(), '/ram')
"""
# Where the code of a viper function is, as its object says.
_CODE = "import machine\nprint([machine.mem32[id(functions.total) + 12]])\n"
_PCS = "print([assembler.pc(), functions.viper_pc()])\n"


@cache
def _expected(name: str) -> bytes:
    """What the samples give where MicroPython imports them as mpy-cross has made them."""
    board = newest.load(name)
    with modules.mounted(board, modules.all_files(board), convert=modules.as_it_is) as link:
        link.run(_IMPORT)
        assert not any(_in_partition(board, at) for at in _value(link, _PCS))
        return link.run(_RESULTS)


def _value(link: Link, code: str) -> list[int]:
    found = ast.literal_eval(link.run(code).decode())
    assert isinstance(found, list)
    return found


def _in_partition(board: Board, address: int) -> bool:
    assert board.package is not None
    return board.package.address <= address < board.package.end


@pytest.fixture(params=(*BOARDS, *newest.NEWEST))
def board(request: pytest.FixtureRequest) -> Board:
    return newest.load(request.param)


@pytest.fixture
def link(board: Board) -> Iterator[Link]:
    with modules.mounted(board, modules.all_files(board)) as link:
        yield link


def test_code_stays_in_flash(link: Link, board: Board) -> None:
    link.run(_IMPORT)
    assert all(_in_partition(board, at) for at in _value(link, _PCS))
    assert link.run(_RESULTS) == _expected(board.name)
    link.run(_ROUNDS, timeout=120)
    assert sorted(_modules(link)) == ["assembler", "checks", "emitted", "functions", LOADER]
    link.soft_reset()
    assert board.package is not None
    link.run(mount_code(board.package.address, board.package.size))
    link.run(_IMPORT)
    assert link.run(_RESULTS) == _expected(board.name)
    assert all(_in_partition(board, at) for at in _value(link, _PCS))


def _modules(link: Link) -> list[str]:
    """Modules that came from a file."""
    return ast.literal_eval(link.run("print([m for m in sys.modules if m != '__main__'])").decode())


def test_two_imports_of_a_module_live_side_by_side(link: Link, board: Board) -> None:
    """Each with globals of its own, and one without the other."""
    link.run(_IMPORT)
    link.run("del sys.modules['functions']\nold = functions\nimport functions\n")
    link.run("functions.set_limit(2)\nassert (old.LIMIT, functions.LIMIT) == (7, 2)\nfunctions.set_limit(7)\n")
    assert link.run(_RESULTS.replace("functions", "old")) == _expected(board.name)
    link.run("del old\n" + _ROUNDS.replace("60", "3"))
    assert link.run(_RESULTS) == _expected(board.name)


@pytest.mark.parametrize("by", [0x1000, 8])
def test_elsewhere_than_linked_to(board: Board, by: int) -> None:
    """Raw codes are made anew in RAM; the code stays in flash all the same."""
    with modules.mounted(board, modules.all_files(board), linked_at=by) as link:
        link.run(_IMPORT)
        assert all(_in_partition(board, at) for at in _value(link, _PCS))
        assert link.run(_RESULTS) == _expected(board.name)
        link.run(_ROUNDS.replace("60", "10"), timeout=120)


def test_a_linked_file_in_a_partition_of_mpremote_s_making() -> None:
    """Where that comes to lie nobody has seen to: in place at a multiple of four, otherwise the ordinary copy."""
    board = load_board("qemu_mps2_an385")
    data = in_place(modules.compiled(board.target)["functions.mpy"], 0x10000000)
    files = {**modules.all_files(board), **device.loader_files(board.target)}
    assert board.package is not None
    at, seen = board.package.address, set()
    for before, after in itertools.product(range(4), range(2)):  # a file system has an even size
        writer = VfsRomWriter()
        writer.mkfile("before", bytes(before))
        for name, content in {**files, "functions.mpy": data}.items():
            writer.mkfile(name, content)
        writer.mkfile("after", bytes(after))
        image = bytes(writer.finalise())
        with emulated(board, [(at, image)]) as machine, machine.link() as link:
            link.run(mount_code(at, len(image)))
            said = link.run(_IMPORT)
            assert link.run(_RESULTS) == _expected(board.name)
            place = _in_partition(board, _value(link, _CODE)[0])
            seen.add((b"is copied to RAM" in said, place))
    assert seen == {(True, False), (False, True)}


# What the assembler's functions give, in Python.
_INSTEAD = """
import sys
class assembler:
    pc = lambda: 0
    asm_sum = lambda a, b, c: a + b + c
    asm_uint = lambda a: ~a & 0xffffffff
sys.modules["assembler"] = assembler
"""


def test_firmware_without_inline_assembler() -> None:
    """Viper and native code stays in flash; assembler is refused, for MicroPython takes it for bytecode."""
    board = load_board("qemu_rv32_no_asm")
    with modules.mounted(board, modules.all_files(board)) as link:
        assert link.run(_INSTEAD + "import gc, checks, functions, emitted\n") == b""
        assert _in_partition(board, _value(link, _CODE)[0])
        assert link.run(_RESULTS) == _expected("qemu_rv32")
        with pytest.raises(DeviceError, match="this firmware has no inline assembler: assembler needs it"):
            link.run("del sys.modules['assembler']\nimport assembler")


# Doubles of the firmware: what is put before the probe looks, and what it must say.
_DOUBLES = {
    "a port with two addresses": ("class S: platform = 'esp32'\np.sys = S", "flash is read and executed at different"),
    "nRF": ("class S: platform = 'nrf52'\np.sys = S", "this port takes the addresses of machine code for"),
    "settrace": ("class S:\n  platform = 'rp2'\n  settrace = 1\np.sys = S", "this firmware has sys.settrace"),
    "64 bits": ("class S:\n  platform = 'linux'\n  maxsize = 1 << 62\np.sys = S", "has words of 64 bits"),
    "another function": (
        "seen = lambda a, w: w + 2 if a == id(p.functions) + 8 else w",
        "mp_obj_fun_bc_t.child_table",
    ),
    "another raw code": ("seen = lambda a, w: w | 1 if w == 0x40000 else w", "differs in mp_raw_code_t\r\n"),
    "another order": ("seen = lambda a, w: w + 4 if a == tables + 8 else w", "differs in mp_obj_fun_bc_t\r\n"),
}


@pytest.mark.parametrize("name", _DOUBLES)
def test_the_probe_says_what_differs(stm32: Link, name: str) -> None:
    code, text = _DOUBLES[name]
    stm32.run(
        f"import {LOADER} as l\np = l.part('probe')\nseen = lambda a, w: w\nfirst = l.word(id(p.functions) + 8)\n"
    )
    stm32.run(f"tables = l.word(first)\n{code}\n")
    said = stm32.run("print(p.probe(lambda a: seen(a, l.word(a))))").decode()
    assert said.startswith("insitu: machine code of modules is copied to RAM: ")
    assert text in said
    assert said.endswith("\r\n0\r\n")


@pytest.fixture(scope="module")
def stm32() -> Iterator[Link]:
    board = load_board("qemu_stm32f405")
    with modules.mounted(board, modules.all_files(board)) as link:
        yield link


def test_the_ordinary_copy_where_the_firmware_is_refused(link: Link, board: Board) -> None:
    """One line, the same results, code in RAM; the modules' globals are their own."""
    link.run(f"import {LOADER}\n{LOADER}.kinds = 0")
    assert link.run(_IMPORT) == b""
    assert not any(_in_partition(board, at) for at in _value(link, _PCS))
    assert link.run(_RESULTS) == _expected(board.name)
    link.run(_ROUNDS.replace("60", "10"), timeout=120)
    assert link.run("print(functions.__name__, functions.__file__)") == b"functions /rom/functions.mpy\r\n"
    assert sorted(_modules(link)) == ["assembler", "checks", "emitted", "functions", LOADER]


def test_the_ordinary_copy_where_a_file_lies_in_ram(link: Link, board: Board) -> None:
    """A linked file on another file system: one line says so."""
    link.run(_RAM)
    link.run("files['/emitted.mpy'] = open('/rom/emitted.mpy', 'rb').read()\nsys.path.insert(0, '/ram')\n")
    said = link.run("import emitted").decode()
    why = "it does not lie in a ROM partition, or at no multiple of four"
    assert said == f"insitu: machine code of emitted is copied to RAM: {why}\r\n"
    assert link.run("print(emitted.__file__, emitted.scaled(4))") == b"/ram/emitted.mpy 18\r\n"


def test_the_loader_stays_small(link: Link) -> None:
    """Its parts are forgotten, and what they were needs no room."""
    before = "import gc\ngc.collect()\ngc.collect()\na = gc.mem_alloc()\n"
    (cost,) = _value(link, before + f"import {LOADER}\ngc.collect()\ngc.collect()\nprint([gc.mem_alloc() - a])")
    assert cost < 1200
    assert set(device.loader_files("cortex-m3")) >= {f"{LOADER}.mpy", f"{LOADER}_probe.mpy"}
