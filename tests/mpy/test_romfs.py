"""ROM file systems, read back as extmod/vfs_rom.c does it."""

from __future__ import annotations

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.mpy.romfs import build_romfs
from insitu.package.compile import compiled

from tests.mpy import modules

_AT = 0x08000010


def _found(image: bytes, address: int) -> dict[str, tuple[int, bytes]]:
    """Address and data of each file."""
    assert image[:3] == b"\xd2\xcd\x31"
    assert len(image) % 2 == 0
    size, start = _uint(image, 3)
    assert start + size == len(image)
    return {path: (address + at, data) for path, at, data in _records(image, start, len(image), "")}


def _records(image: bytes, at: int, end: int, path: str) -> list[tuple[str, int, bytes]]:
    out = []
    while at < end:
        kind, at = _uint(image, at)
        size, at = _uint(image, at)
        following = at + size
        if kind == 2:
            out.append((path, at, image[at:following]))
        elif kind in (4, 5):
            length, at = _uint(image, at)
            name = image[at : at + length].decode()
            out += _records(image, at + length, following, f"{path}/{name}")
        at = following
    assert at == end
    return out


def _uint(image: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | image[at] & 0x7F
        at += 1
        if not image[at - 1] & 0x80:
            return value, at


def test_each_file_begins_at_a_multiple_of_eight() -> None:
    files = {"x" * n + ".xip": bytes([n]) * n for n in range(1, 18)}
    files |= {f"folder/{'y' * n}/in/{'z' * n}": bytes(n) for n in range(1, 18)}
    files |= {"empty": b"", "large": bytes(70000)}
    found = _found(build_romfs(files, _AT), _AT)
    assert {path[1:]: data for path, (_, data) in found.items()} == files
    assert all(at % 8 == 0 for at, _ in found.values())


def test_equal_files_are_linked_each_to_its_own_place() -> None:
    data = modules.compiled("cortex-m3")["functions.mpy"]
    seen: list[tuple[str, int]] = []

    def convert(path: str, data: bytes, address: int) -> bytes:
        seen.append((path, address))
        return data

    found = _found(build_romfs({"a.mpy": data, "b/a.mpy": data, "b/c.mpy": data}, _AT, convert), _AT)
    assert [(f"/{path}", at) for path, at in seen] == [(path, at) for path, (at, _) in found.items()]
    assert len(set(seen)) == 3


def test_what_cannot_be_laid_out() -> None:
    with pytest.raises(InsituError, match="0x00000004: a ROM file system begins at a multiple of 8"):
        build_romfs({}, 4)
    with pytest.raises(InsituError, match="a/b: a is a file already"):
        build_romfs({"a": b"", "a/b": b""}, 0)


@pytest.mark.qemu
def test_an_image_is_loaded_whatever_its_name() -> None:
    """Names of all lengths modulo 8, by the path, from MicroPython's own VfsRom."""
    board = load_board("qemu_mps2_an385")
    text = '(module (func (export "f") (result i32) (i32.const 7)))'
    image = compile_wasm(bytes(wasmtime.wat2wasm(text)), board.target)
    files = {"x" * n + ".xip": image for n in range(1, 9)}
    files |= {f"insitu/{path}": data for path, data in compiled(board).items()}
    with modules.mounted(board, files) as link:
        link.run("import insitu\nrt = insitu.Runtime(heap=bytearray(8000))\n")
        code = (
            "inst = rt.load('/rom/%s.xip').instantiate(stack_size=512)\nprint(inst.exports.f())\ninst.deinstantiate()\n"
        )
        for n in range(1, 9):
            assert link.run(code % ("x" * n)) == b"7\r\n"
