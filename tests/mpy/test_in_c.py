"""Modules in C, linked to a firmware: MicroPython's own examples, with its own tests of them."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

import pytest
from insitu.board.boards import load_board
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.link.raw_repl import Link
from insitu.mpy import device, firmware, in_c, link, romfs
from insitu.mpy.read import VIPER, Module, RawCode, read
from insitu.mpy.write import write
from insitu.package.deploy import mount_code
from insitu.places import CHECKOUT
from insitu.port.xip.inplace import blob as layout
from insitu.port.xip.inplace.blob import LOADER

from tests.mpy import modules, natmods
from tests.rotate import is_of_today

ARCH = {"qemu_mps2_an385": "armv7m", "qemu_rv32": "rv32imc"}
_NAMES = ("where", *natmods.NAMES)
_IMPORT = f"import {', '.join(f'{name}_c as {name}' for name in _NAMES)}\n"
_FEATURES = """
print(features0.factorial(10), features1.fibonacci(20), features1.VAL, features1.MSG, features1.make_array())
features1.access(2, 7)
print(features1.access(), features3.get_types(), features3.get_const_objects(), features3.make_dict(1, "a", 2, "b"))
print(features4.Factorial(5).calculate())
try:
    features4.Factorial(-1)
except features4.FactorialError as error:
    print(repr(error))
features1.access(2, 0)
print(features2.add(1.5, 2), features2.add_f(0.25, 1), features2.round(2.6))
"""
# Of tests/extmod, by what they import; those that have a file of what they print.
_TESTS = {"heapq": "heapq1", "re": "re1", "framebuf": "framebuf1", "deflate": "deflate_decompress"}
_TESTS["random"] = "random_basic"
_GARBAGE = """
import gc
for _ in range(60):
    garbage = [bytearray(i) for i in range(100)]
    gc.collect()
    assert features0.factorial(5) == 120 and features4.Factorial(5).calculate() == 120
    assert framebuf.FrameBuffer(bytearray(8), 8, 8, 0).pixel(1, 1) == 0 and re.match("a+", "aab").group(0) == "aa"
"""


@dataclass(frozen=True)
class Ordinary:
    """A board where MicroPython has copied the modules: what they print, what an import takes, the firmware."""

    results: bytes
    ram: Mapping[str, int]
    known: in_c.Firmware


@cache
def _ordinary(name: str) -> Ordinary:
    board = load_board(name)
    with modules.mounted(board, natmods.built(ARCH[name]), convert=modules.as_it_is) as link:
        known = firmware.ask(link, name)
        ram = _ram(link, board)
        link.run(_IMPORT)
        assert not _pc_in_partition(link, board)
        return Ordinary(_results(link), ram, known)


def _ram(link: Link, board: Board) -> dict[str, int]:
    """Bytes of heap that importing each takes, in the order of _NAMES.

    Their names are there before, and some more, so that MicroPython's list of names has room for those of the files.
    """
    texts = {text for data in natmods.built(ARCH[board.name]).values() for text in _texts(read(data))}
    texts |= {f"{name}_c" for name in _NAMES} | {f"more{i}" for i in range(30)}
    link.run(f"class Names: pass\nfor name in {sorted(texts)}: setattr(Names, name, 0)\n")
    ram, before = dict[str, int](), _used(link)
    for name in _NAMES:
        link.run(f"__import__('{name}_c')")
        after = _used(link)
        ram[name], before = after - before, after
    return ram


def _used(link: Link) -> int:
    return int(link.run("import gc\ngc.collect()\ngc.collect()\nprint(gc.mem_alloc())"))


def _texts(module: Module) -> list[str]:
    return [qstr[1:-1].decode() for qstr in module.qstrs if not qstr[0] & 1]


def _results(link: Link) -> bytes:
    said = link.run(_FEATURES)
    for name, test in _TESTS.items():
        source = natmods.TREE / "tests" / "extmod" / f"{test}.py"
        found = link.run(f"import sys\nsys.modules['{name}'] = {name}\n{source.read_text()}", timeout=60)
        expected = source.with_suffix(".py.exp")
        if expected.exists():
            assert found.split() == expected.read_bytes().split(), test
        said += found
    return said


def _pc_in_partition(link: Link, board: Board) -> bool:
    assert board.package is not None
    pc, function = ast.literal_eval(link.run("print([where.pc(), id(where.pc)])").decode())
    inside = [board.package.address <= at < board.package.end for at in (pc, function)]
    assert len(set(inside)) == 1
    return inside[0]


def _linked(board: Board, known: in_c.Firmware) -> romfs.Convert:
    parts = {path: read(data) for path, data in natmods.built(ARCH[board.name]).items()}
    return partial(romfs.linked, linkages=in_c.linkages(parts, known, len(link.NAMES)))


def _page(board: Board) -> tuple[dict[str, int], dict[str, int]]:
    """What docs/native-modules.md has for an ordinary import and for a linked module."""
    table = (CHECKOUT / "docs" / "native-modules.md").read_text().partition("| module | Cortex-M3")[2]
    before, after = dict[str, int](), dict[str, int]()
    for name, *cells in re.findall(r"^\| (\w+).* \| (.*) \| (.*) \| (.*) \| (.*) \|$", table, re.MULTILINE):
        row = [int(cell.replace(",", "")) for cell in cells]
        before[name], after[name] = row[2:] if board.name == "qemu_rv32" else row[:2]
    return before, after


def _board(name: str) -> Board:
    if not is_of_today(list(ARCH).index(name), len(ARCH)):
        pytest.skip("today it is the other board's turn")
    return load_board(name)


@pytest.fixture(params=ARCH)
def board(request: pytest.FixtureRequest) -> Board:
    return _board(request.param)


@pytest.fixture
def line(board: Board) -> Iterator[Link]:
    convert = _linked(board, _ordinary(board.name).known)
    with modules.mounted(board, natmods.built(ARCH[board.name]), convert=convert) as line:
        yield line


@natmods.needed
@pytest.mark.qemu
def test_code_stays_in_flash(line: Link, board: Board) -> None:
    ordinary = _ordinary(board.name)
    line.run(f"import {LOADER}")
    ram = _ram(line, board)
    before, after = _page(board)
    # within what a word that looks like an address may keep alive
    assert {
        name: (before[name], ordinary.ram[name]) for name in _NAMES if abs(ordinary.ram[name] - before[name]) > 200
    } == {}
    assert {name: (after[name], ram[name]) for name in _NAMES if abs(ram[name] - after[name]) > 200} == {}
    line.run(_IMPORT)
    assert _pc_in_partition(line, board)
    assert _results(line) == ordinary.results
    line.run(_GARBAGE, timeout=120)
    assert ordinary.results.startswith(line.run(_FEATURES))
    line.soft_reset()
    assert board.package is not None
    line.run(mount_code(board.package.address, board.package.size))
    assert b"copied" not in line.run(_IMPORT)
    assert _pc_in_partition(line, board)
    assert _results(line) == ordinary.results


@natmods.needed
@pytest.mark.qemu
def test_another_import_gets_variables_of_its_own(line: Link) -> None:
    """By the ordinary copy, as every import of it would be without insitu; the first one stays where it is."""
    line.run(_IMPORT)
    line.run("features1.access(0, 5)\nold = features1\nimport sys\ndel sys.modules['features1_c']\n")
    said = line.run("import features1_c as new").decode()
    assert "features1_c is copied to RAM: it is written in C and another import of it has its RAM\r\n" in said
    line.run("new.access(0, 6)\n" + _GARBAGE.replace("60", "5"))
    assert line.run("print(old.access(), new.access())") == b"[5, 0, 0, 0] [6, 0, 0, 0]\r\n"


# Nothing is left of the heap but some 20 KB, below what the program has.
_FULL = """
import gc
free, all = bytearray(20000), []
for size in (512, 64, 16):
    try:
        while True:
            all.append(bytearray(size))
    except MemoryError:
        pass
free = None
gc.collect()
"""


@natmods.needed
@pytest.mark.qemu
@pytest.mark.parametrize("name", ARCH)
@pytest.mark.parametrize(
    ("entry", "by", "before", "text"),
    [
        (50, 0, "", "linked to another firmware"),
        (None, 8, "", "does not lie where it is linked to"),
        (None, 0, _FULL, "the RAM that it is linked to is in use"),
    ],
)
def test_the_ordinary_copy(name: str, entry: int | None, by: int, before: str, text: str) -> None:
    """Where a word of mp_fun_table is another, the file lies elsewhere, or its RAM is taken: one line, and it works."""
    board = _board(name)
    known = _ordinary(name).known
    if entry is not None:
        known = replace(known, entries=tuple(word + 2 * (i == entry) for i, word in enumerate(known.entries)))
    data = {"features1_c.mpy": natmods.built(ARCH[name])["features1_c.mpy"]}
    with modules.mounted(board, data, convert=_linked(board, known), linked_at=by) as line:
        line.run(before)
        said = line.run("import features1_c as f").decode()
        assert f"machine code of features1_c is copied to RAM: it is written in C and {text}\r\n" in said
        assert line.run("f.access(1, 3)\nprint(f.fibonacci(20), f.access())") == b"6765 [0, 3, 0, 0]\r\n"


def test_the_only_constant_is_the_table() -> None:
    """The loader takes mp_fun_table's address from there."""
    for target in ("cortex-m0plus", "cortex-m3", "rv32imc"):
        assert read(device.loader_files(target)[f"{LOADER}_in_c.mpy"]).objects == (b"\0",)


_FIRMWARE = in_c.Firmware(0x1000, tuple(range(0x2000, 0x2000 + 87)), 0x20010000)


def _module(relocations: bytes, bss: int = 6) -> Module:
    code = RawCode(VIPER, bytes(range(16)), 0, 0x50, 0, 0, b"", bss, (), relocations)
    return Module(b"M\x06\x13\x1f", (b"\x02a\0",), (), code)


def test_relocations_are_those_of_micropython() -> None:
    """As py/persistentcode.c adds them: the code's address, its bss, mp_fun_table's entry 3, the names."""
    data = write(_module(b"\x01\x00\x08\x18\x0c\xff"))
    (linkage,) = in_c.linkages({"c.mpy": read(data)}, _FIRMWARE, 3).values()
    assert (linkage.start, linkage.ram) == (0x2000FF00, 0x2000FF00)
    at = 0x08000000
    made = link.in_place(data, at, linkage)
    (start,) = struct.unpack_from("<I", made, len(made) - 4)
    (tables,) = struct.unpack_from("<I", made, start + layout.BLOB_WORDS)
    (record,) = struct.unpack_from("<I", made, tables - at)
    (text,) = struct.unpack_from("<I", made, record - at + layout.RECORD_DATA)
    words = struct.unpack_from("<4I", made, text - at)
    added = (text, 0x2000FF00, 0x2003, 0x2000FF00 + 8)  # behind 6 bytes of bss, in words
    assert words == tuple(
        old + new for old, new in zip((0x03020100, 0x07060504, 0x0B0A0908, 0x0F0E0D0C), added, strict=True)
    )


def test_what_cannot_be_linked() -> None:
    with pytest.raises(InsituError, match="its constants lie apart from its code"):
        in_c.linkages({"c.mpy": _module(b"\x01\x01\xff")}, _FIRMWARE, 3)
    with pytest.raises(InsituError, match="it is linked to 96, which is nothing of a firmware"):
        in_c.linkages({"c.mpy": _module(b"\xc1\x00\xff")}, _FIRMWARE, 3)
