"""`insitu build`: what it writes, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from insitu.board import boards
from insitu.toolchain import compile_c

from tests.cli.conftest import Command, refused

ADD = '(module (func $add (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
# By hand from chapter 5 of the standard: a module with one function of type [] -> [i32] and the body given.
_HEAD = bytes.fromhex("0061736d01000000010501 6000 017f03020100")


def _module(body: bytes) -> bytes:
    return _HEAD + bytes([0x0A, len(body) + 3, 1, len(body) + 1, 0]) + body


BAD = {
    "no module at all": (b"\0\1\2\3", "offset 0x0", "magic header not detected"),
    "cut off": (_HEAD[:-2], "offset 0xf", "length out of bounds"),
    "unknown opcode": (_module(b"\x41\x07\xff\x0b"), f"offset {len(_HEAD) + 7:#x}, function 0", "illegal opcode"),
    "wrong type": (_module(b"\x42\x07\x0b"), f"offset {len(_HEAD) + 7:#x}, function 0", "type mismatch"),
    "a vector": (_module(b"\xfd\x0c" + bytes(16) + b"\x1a\x41\x00\x0b"), "function 0", "SIMD"),
}


@pytest.mark.parametrize("board", boards.names())
def test_writes_the_same_image_twice(insitu: Command, wasm: Callable[..., Path], board: str) -> None:
    source = wasm(ADD)
    done = insitu("build", source, "-b", board)
    made = source.with_suffix(".xip")
    first = made.read_bytes()
    assert done.status == 0
    assert done.out.startswith(f"{made}: {len(first)} bytes for {board}")
    assert done.out.count("\n") == 1
    other = source.with_name("other.xip")
    assert insitu("build", source, "-b", board, "-o", other).status == 0
    assert other.read_bytes() == first


@pytest.mark.parametrize("name", BAD)
def test_refuses(insitu: Command, tmp_path: Path, name: str) -> None:
    data, *texts = BAD[name]
    source = tmp_path / "bad.wasm"
    source.write_bytes(data)
    refused(insitu("build", source, "-b", "qemu_rv32"), "bad.wasm", *texts)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.wasm"]


def test_names_the_function(insitu: Command, wasm: Callable[..., Path]) -> None:
    source = wasm(ADD)
    source.write_bytes(source.read_bytes().replace(b"\x20\x00\x20\x01\x6a", b"\x20\x00\x20\x01\x7c"))
    refused(insitu("build", source, "-b", "qemu_rv32"), 'function 0 "add": type mismatch')


def test_an_image_that_no_flash_of_the_board_holds(insitu: Command, wasm: Callable[..., Path]) -> None:
    """The region has 0x60000 bytes (boards/qemu_stm32f405.toml), the data alone more."""
    app = wasm(f'(module (memory 7) (data (i32.const 0) "{"x" * 0x60001}") (func (export "go")))')
    refused(insitu("build", app, "-b", "qemu_stm32f405"), f"qemu_stm32f405 has {0x60000} for images")
    assert not app.with_suffix(".xip").exists()


def test_wrong_usage(insitu: Command, wasm: Callable[..., Path]) -> None:
    for arguments in (("build",), ("build", wasm(ADD)), ("build", wasm(ADD), "-b"), ("compile",)):
        done = insitu(*arguments)
        assert done.status == 2
        assert done.out == ""


def test_wrong_files_and_boards(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    refused(insitu("build", tmp_path / "none.wasm", "-b", "qemu_rv32"), "none.wasm: No such file or directory")
    refused(insitu("build", wasm(ADD), "-b", "z80"), 'no board "z80"; there are: ', "qemu_rv32")
    out = tmp_path / "no" / "where.xip"
    refused(insitu("build", wasm(ADD), "-b", "qemu_rv32", "-o", out), "where.xip: No such file or directory")
    image = tmp_path / "app.xip"
    image.write_bytes(b"INSX mine")
    refused(insitu("build", image, "-b", "qemu_rv32"), "an image already")
    assert image.read_bytes() == b"INSX mine"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[image", "board.toml: "),
        ('description = "x"', "the field 'chip' is missing"),
        ('description = "x"\nchip = "x"\ntarget = "x"\nimage = 5\npackage = 6', "board.toml: "),
    ],
)
def test_a_broken_board_file(insitu: Command, wasm: Callable[..., Path], tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "board.toml").write_text(text)
    refused(insitu("build", wasm(ADD), "-b", tmp_path / "board.toml"), says)


def _large_program(functions: int) -> str:
    """C of which clang can leave nothing out: each function is exported and takes its own way."""
    one = """
__attribute__((export_name("f{n}"))) unsigned f{n}(unsigned a, unsigned b) {{
    for (unsigned i = 0; i < (b & {n}u + 7u); i++) {{
        unsigned c = data[(a + i * {n}u) & 1023];
        switch ((c ^ i) & 7) {{
        case 0: a += c * {n}u; break;
        case 1: a ^= c << 5 | b >> 3; break;
        case 2: data[(c + {n}u) & 1023] = a; break;
        case 3: b = b * 1664525u + {n}u; break;
        case 4: a = (a << 7 | a >> 25) + (unsigned)((unsigned long long)c * b >> 32); break;
        case 5: a = c / ((b & 255) + 1); break;
        default: b += f{previous}(c & 3, 1);
        }}
    }}
    return a ^ b;
}}"""
    start = "static unsigned data[1024];\nunsigned f0(unsigned a, unsigned b) { return a + b; }\n"
    return start + "".join(one.format(n=n, previous=n - 1) for n in range(1, functions))


@pytest.mark.slow
@pytest.mark.parametrize("board", ["qemu_stm32f405", "qemu_rv32"])
def test_a_100_kib_module_in_15_seconds(insitu: Command, tmp_path: Path, board: str) -> None:
    source = tmp_path / "large.c"
    source.write_text(_large_program(320))
    module = compile_c(source, tmp_path / "large.wasm")
    assert 100 * 1024 <= module.stat().st_size < 130 * 1024
    before = os.times()
    assert insitu("build", module, "-b", board).status == 0
    # what it and its children computed: the machine may be busy with other tests
    assert sum(os.times()[:4]) - sum(before[:4]) < 15


def test_a_window_and_what_it_is(insitu: Command, wasm: Callable[..., Path]) -> None:
    source = wasm(
        '(module (memory 1) (data (i32.const 5000) "abc") (func (export "f") (result i32) (i32.load (i32.const 9))))'
    )
    for flags, said in (
        (["--window", "0"], "0 bytes of RAM as its window, the rest in far pages of 128"),
        (["--window", "1000", "--far-page", "64"], "1088 bytes of RAM as its window, the rest in far pages of 64"),
        (["--window", "auto"], "5120 bytes of RAM as its window, the rest"),
        (["--window", "4000:6000", "--far-page", "256"], "2304 bytes of RAM as its window at 3840, the rest"),
    ):
        assert said in insitu("build", source, "-b", "qemu_rv32", *flags).out
    found = insitu("build", source, "-b", "qemu_rv32", "--window", "4000:6000")
    assert "begins at 3968 and not at 0, which costs code, a subtraction an access: --window 6144 has less" in found.out
    assert insitu("report", source, "-b", "qemu_rv32", "--window", "4000:6000").status == 0
    for flags, said in (
        (["--window", "9:9"], "'9:9': give SIZE or LOW:HIGH, addresses in bytes, or auto"),
        (["--far-page", "64"], "--far-page goes with --window"),
    ):
        done = insitu("build", source, "-b", "qemu_rv32", *flags)
        assert (done.status, said in done.err) == (2, True)


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ("", "has no linear memory"),
        ("00 01", "imports its linear memory, a window is its owner's"),
        ("03 01 02", "shares"),
    ],
)
def test_what_can_have_no_window(insitu: Command, tmp_path: Path, memory: str, said: str) -> None:
    """By hand: a memory section, but for an imported one an import of "" ""."""
    source, limits = tmp_path / "m.wasm", bytes.fromhex(memory)
    body = b"\1\0\0\2" + limits if len(limits) == 2 else b"\1" + limits
    section = bytes([2 if len(limits) == 2 else 5, len(body)]) + body if limits else b""
    source.write_bytes(b"\0asm\1\0\0\0" + section)
    refused(insitu("build", source, "-b", "qemu_rv32", "--window", "0"), said, "build it without --window")
