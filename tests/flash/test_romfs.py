"""The ROM partition writer, on real firmware. Its port has no partitions, so a stand-in for vfs.rom_ioctl has one, in
memory that is executed in place: bits are cleared by writing and set by preparing only, as in NOR flash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board import boards
from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import romfs
from insitu.flash.write import silent
from insitu.flash.writer import Target
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.package import romfs as package

pytestmark = pytest.mark.qemu

START, SIZE = 0x00200000, 0x40000
_STAND_IN = f"""
import sys, uctypes
import vfs as _vfs
class Partition:
    VfsRom, mount, umount = _vfs.VfsRom, staticmethod(_vfs.mount), staticmethod(_vfs.umount)
    log, left = [], 1000
    @staticmethod
    def rom_ioctl(command, *a):
        memory = uctypes.bytearray_at({START}, {SIZE})
        if command == 1: return 1
        if a[0] != 0: return -22
        if command == 2: return memoryview(memory)
        if command == 3:
            Partition.log.append(3)
            if a[1] > {SIZE}: return -22
            for i in range(0, a[1], 4096): memory[i:i + 4096] = b"\\xff" * 4096
            return 16
        if command == 4:
            if not Partition.left: raise OSError("power cut")
            Partition.left -= 1
            offset, data = a[1], a[2]
            Partition.log.append(offset)
            if offset % 16 or offset + len(data) > {SIZE}: return -22
            if memory[offset:offset + len(data)] != b"\\xff" * len(data): return -5
            memory[offset:offset + len(data)] = data
            return 0
        if command == 5: return None
        return -22
sys.modules["vfs"] = Partition
"""
_MOUNT = f"import vfs, uctypes\nvfs.mount(vfs.VfsRom(uctypes.bytearray_at({START}, {SIZE})), '/rom')\n"
_RUN = """
import sys
sys.path.append('/rom')
import insitu
image = memoryview(open('/rom/app.xip', 'rb'))
rt = insitu.Runtime(heap=bytearray(8000))
inst = rt.load('/rom/app.xip').instantiate(stack_size=1024)
print(uctypes.addressof(image), len(image), inst.exports.add(2, 3))
"""


@pytest.fixture(scope="module")
def board() -> Board:
    """A board whose images lie in the partition."""
    known = boards.load_board("qemu_mps2_an385")
    image = Region(START + romfs.IMAGE_OFFSET, SIZE - romfs.IMAGE_OFFSET)
    return replace(known, image=image, package=None, writers=("romfs",))


@pytest.fixture(scope="module")
def image(board: Board) -> bytes:
    text = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), board.target)


@pytest.fixture
def link() -> Iterator[Link]:
    with emulated(boards.load_board("qemu_mps2_an385"), []) as machine, machine.link() as link:
        link.run(_STAND_IN)
        yield link


@pytest.mark.slow
def test_image_and_package_in_place(link: Link, board: Board, image: bytes) -> None:
    """The firmware's own VfsRom reads it, the image lies where the board file says, and the start came last."""
    seen: list[tuple[int, int]] = []
    for _ in range(2):  # over what is there, too
        romfs.write(Target(board, link), board.image.address, image, lambda *done: seen.append(done))
    assert seen[-1][0] == seen[-1][1]
    log = link.run("print(Partition.log)").decode()
    assert log.strip().endswith(", 0]")
    link.run(_MOUNT)
    assert link.run(_RUN).split() == [b"%d" % board.image.address, b"%d" % len(image), b"5"]


@pytest.mark.slow
def test_a_power_cut_leaves_no_image_and_no_file_system(
    link: Link, board: Board, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "compiled", lambda _: {"instead.py": bytes(5000)})
    romfs.write(Target(board, link), board.image.address, image, silent)
    pieces = int(link.run("print(1000 - Partition.left)"))
    for left in (0, 1, pieces // 2, pieces - 1):
        link.run(f"Partition.left = {left}")
        with pytest.raises(DeviceError, match="power cut"):
            romfs.write(Target(board, link), board.image.address, image, silent)
        start = bytes.fromhex(link.run(f"print(bytes(uctypes.bytearray_at({START}, 20)).hex())").decode())
        assert start == b"\xff" * 20
    link.run("Partition.left = 1000")
    romfs.write(Target(board, link), board.image.address, image, silent)
    link.run(_MOUNT)
    there = f"uctypes.bytearray_at({board.image.address}, {len(image)})"
    assert link.run(f"print(open('/rom/app.xip', 'rb').read() == bytes({there}))") == b"True\r\n"


def test_what_does_not_fit_and_where_nothing_is(link: Link, board: Board, image: bytes) -> None:
    target = Target(board, link)
    with pytest.raises(InsituError, match=f"image and package take .* bytes, the ROM partition .* has {SIZE}"):
        romfs.write(target, board.image.address, image + bytes(SIZE), silent)
    with pytest.raises(InsituError, match="has no ROM partition at 0x00200010, .* there are: 0x00200000 to 0x0023ffff"):
        romfs.write(target, board.image.address + 16, image, silent)
    assert link.run("print(Partition.log)") == b"[]\r\n"
    link.run("sys.modules['vfs'] = _vfs")
    with pytest.raises(InsituError, match="the firmware on qemu_mps2_an385 has no ROM partitions"):
        romfs.write(target, board.image.address, image, silent)
