"""Reading, linking and laying out .mpy files, without a device."""

from __future__ import annotations

import struct

import pytest
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.mpy import blob, cross, device, link, romfs
from insitu.mpy.read import ASM, BYTECODE, NATIVE, VIPER, Module, MpyError, RawCode, read
from insitu.mpy.write import prefix, write
from insitu.package.compile import compiled
from insitu.port.xip.inplace import blob as layout

from tests.mpy import modules

BOARDS = ("qemu_mps2_an385", "qemu_rv32", "rpi_pico")


def _files(name: str) -> dict[str, bytes]:
    board = load_board(name)
    own = {path: data for path, data in compiled(board).items() if path.endswith(".mpy")}
    return {**own, **modules.compiled(board.target), **device.loader_files(board.target)}


def _words(data: bytes, at: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{count}I", data, at)


@pytest.mark.parametrize("name", BOARDS)
def test_what_was_read_is_written_again(name: str) -> None:
    files = _files(name)
    assert len(files) > 30
    for path, data in files.items():
        assert write(read(data)) == data, path


@pytest.mark.parametrize("name", BOARDS)
def test_size_is_the_same_at_each_address(name: str) -> None:
    for path, data in _files(name).items():
        assert len({len(link.in_place(data, 0x10000000 + at)) for at in range(9)}) == 1, path


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("at", [0x10000000, 0x90000003])
def test_raw_codes_are_those_of_the_module(name: str, at: int) -> None:
    """Followed from the tables as the VM does, by address: kinds, data, preludes and signatures, all aligned."""
    for path, data in modules.compiled(load_board(name).target).items():
        module, made = read(data), link.in_place(data, at)
        before, start = _words(made, len(made) - layout.TRAILER_SIZE, 2)
        assert (at + start) % 4 == 0
        assert made[:before] == prefix(module, layout.LOADER, "bind", "globals")
        words = _words(made, start + layout.BLOB_WORDS, 1)[0]
        (record,) = _words(made, words - at, 1)
        assert _same(module.body, made, at, record) > 0, path


def _same(code: RawCode, made: bytes, at: int, record: int) -> int:
    """How many raw codes were compared."""
    kind, data, children = _words(made, record - at, 3)
    # py/emitglue.c asks no viper and no assembler function, and has them set
    generator = code.is_generator if code.kind in (BYTECODE, NATIVE) else True
    assert (kind, data % 4) == (code.kind << 16 | generator << 24, 0)
    assert made[data - at : data - at + len(code.data)] == code.data
    if code.kind == ASM:
        signature, _, again = _words(made, record - at + layout.RECORD_SIGNATURE, 3)
        assert signature == again == code.n_args | code.signature << 8
    table = _words(made, children - at, len(code.children) + 1) if code.children else (children,)
    if code.kind == NATIVE:
        assert table[-1] == data + code.prelude_offset
        assert _words(made, data - at, 1) == (len(code.children),)  # where the code itself looks for it
    return 1 + sum(_same(child, made, at, table[i]) for i, child in enumerate(code.children))


def test_a_linked_file_holds_the_ordinary_one() -> None:
    """Prefix and section, which the loader gives to MicroPython where it cannot use the code in place."""
    data = modules.compiled("cortex-m3")["functions.mpy"]
    made = link.in_place(data, 0x10000002)
    before, start = _words(made, len(made) - layout.TRAILER_SIZE, 2)
    (size,) = _words(made, start + layout.BLOB_SECTION, 1)
    section = start + layout.BLOB_HEADER
    again = read(made[:before] + made[section : section + size])
    (body,) = again.body.children
    module = read(data)
    assert write(Module(module.header, module.qstrs, module.objects, body)) == data


def test_apart() -> None:
    data = modules.compiled("cortex-m3")["functions.mpy"]
    small, code = link.apart(data, 0x10060000)
    assert len(small) < 1000 < len(code)
    assert _words(code, layout.BLOB_ADDRESS, 1) == (0x10060000,)
    assert len(link.apart(data, 0x20000004)[1]) == len(code)
    with pytest.raises(InsituError, match="0x10060002: code that lies apart begins at a multiple of 4"):
        link.apart(data, 0x10060002)


def test_two_modules_have_different_tags() -> None:
    body = read(modules.compiled("cortex-m3")["functions.mpy"]).body
    other = read(modules.compiled("cortex-m3")["emitted.mpy"]).body
    assert blob.tag(_around(body)) != blob.tag(_around(other))
    assert blob.tag(_around(body)) == blob.tag(_around(body)) < 1 << 29


def _around(body: RawCode) -> RawCode:
    return RawCode(BYTECODE, b"\0\0\0", 0, 0, 0, 0, b"", 0, (body,), b"")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"M\x05\x00\x1f", "not a .mpy file of format 6"),
        (b"", "not a .mpy file of format 6"),
        (b"M\x06\x00\x1f\x01", "ends within its code, after 5 bytes"),
        (b"M\x06\x00\x1f\x00\x00\x18\x00\x00\x51\x63", "1 bytes follow the module: it is linked to an address already"),
    ],
)
def test_what_is_no_module(data: bytes, text: str) -> None:
    with pytest.raises(MpyError, match=text):
        read(data)


def test_linked_twice_is_refused() -> None:
    data = modules.compiled("cortex-m3")["emitted.mpy"]
    with pytest.raises(MpyError, match="it is linked to an address already"):
        link.in_place(link.in_place(data, 0), 0)


def test_a_module_in_c_is_left_alone_where_no_firmware_is_known() -> None:
    """As tools/mpy_ld.py writes it: viper code with a bss and a relocation of its first word to it."""
    code = RawCode(VIPER, bytes(8), 0, 0x50, 0, 0, b"", 16, (), b"\x09\x00\xff")
    data = write(Module(b"M\x06\x13\x1f", (), (), code))
    assert read(data).is_relocated
    with pytest.raises(InsituError, match="a native module written in C"):
        link.in_place(data, 0)
    assert romfs.linked("c.mpy", data, 0) == data


def test_mpy_cross_says_what_is_wrong() -> None:
    with pytest.raises(
        InsituError, match=r'mpy-cross refuses app\.py: File "app\.py", line 1 SyntaxError: invalid syntax$'
    ):
        cross.compile_source("def", "armv7m", "app.py")
