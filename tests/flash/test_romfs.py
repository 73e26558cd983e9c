"""The ROM partition writer, on real firmware with a stand-in for vfs.rom_ioctl (twin.py): its port has no partition."""

from __future__ import annotations

import ast
import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board import boards
from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import partition, romfs, store
from insitu.flash.store import OnBoard
from insitu.flash.writer import Target
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.machine.emulator import Emulator
from insitu.package import romfs as package
from insitu.package.deploy import METHODS, best
from insitu.session import which
from insitu.steps import silent

from tests.flash import twin

pytestmark = pytest.mark.qemu

START, SIZE = 0x00200000, 0x40000
_RUN = """
import insitu, uctypes
image = memoryview(open('/rom/app.xip', 'rb'))
rt = insitu.Runtime(heap=heap)
inst = rt.load('/rom/app.xip').instantiate(stack_size=1024)
print(uctypes.addressof(image), len(image), inst.exports.add(2, 3))
rt.destroy()
"""
_BY_NAME = """
from insitu.images import Images
from binascii import a2b_base64
def receive(pieces, size, starts):
    writer = Images().begin('app', size, None, starts)
    for piece in pieces: writer.write(a2b_base64(piece))
    writer.end()
def result():
    rt = insitu.Runtime(heap=heap)
    found = rt.load('app').instantiate(stack_size=1024).exports.add(2, 3)
    rt.destroy()
    return found
"""


@pytest.fixture(scope="module")
def board() -> Board:
    """A board whose images lie in the partition, as nrf's do."""
    known = boards.load_board("qemu_mps2_an385")
    image = Region(START + romfs.IMAGE_OFFSET, SIZE - romfs.IMAGE_OFFSET)
    return replace(known, image=image, package=None, writers=("romfs",), firmware=replace(known.firmware, port="nrf"))


@pytest.fixture(scope="module")
def image(board: Board) -> bytes:
    text = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), board.target)


@pytest.fixture(scope="module")
def machine() -> Iterator[Emulator]:
    with emulated(boards.load_board("qemu_mps2_an385"), []) as found:
        yield found


@pytest.fixture(params=twin.KINDS)
def link(machine: Emulator, request: pytest.FixtureRequest) -> Iterator[Link]:
    """A fresh interpreter with a stand-in of each kind."""
    with machine.link() as found:
        found.soft_reset()
        found.run(twin.code(request.param, START, SIZE))
        yield found


_ERASED = f"for at in range({START}, {START + SIZE}, 4096): uctypes.bytearray_at(at, 4096)[:] = b'\\xff' * 4096"


def _log(link: Link) -> list[tuple[str, int]]:
    return ast.literal_eval(link.run("print(Twin.log)").decode())


@pytest.mark.slow
@pytest.mark.parametrize("link", ["blocks"], indirect=True)  # of the others it is enough that all bytes are there
def test_image_and_package_in_place(link: Link, board: Board, image: bytes) -> None:
    """The firmware's own VfsRom reads it, the image lies where the board file says, and the start came last."""
    link.run("heap = bytearray(8000)")  # first of all: later there may be no hole of this size
    partition.write(link, 0, bytes(range(256)) * 16, silent)  # what was there before
    link.run("Twin.log.clear()")
    seen: list[tuple[int, int]] = []
    romfs.write(Target(board, link), board.image.address, image, lambda *done: seen.append(done))
    assert seen[-1][0] == seen[-1][1] == max(done for done, _ in seen)
    log = _log(link)
    assert log[0] == ("erase", 0)
    assert log[-1] == ("write", 0)
    METHODS["partition"].install(link, board)
    assert link.run(_RUN).split() == [b"%d" % board.image.address, b"%d" % len(image), b"5"]
    _by_name(link, board, image)


def _adds(board: Board, more: int) -> bytes:
    text = f"""(module (func (export "add") (param i32 i32) (result i32)
        (i32.add (i32.const {more}) (i32.add (local.get 0) (local.get 1)))))"""
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), board.target)


def _by_name(link: Link, board: Board, image: bytes) -> None:
    """The board writes two images into the second half, the newer on trial; the file system stays as it was."""
    link.run(_BY_NAME)
    for data, starts in ((image, 0), (_adds(board, 100), 1)):
        pieces = [base64.b64encode(data[at : at + 100]).decode() for at in range(0, len(data), 100)]
        link.run(f"receive({pieces}, {len(data)}, {starts})")
    assert link.run("print(result())") == b"105\r\n"  # the only start of its trial
    link.run("Images.started.clear()")  # as a reset does
    assert link.run("print(result())") == b"5\r\n"
    rows = ast.literal_eval(link.run("print(Images().rows())").decode())
    assert [(version, address >= START + SIZE // 2, state) for _, version, address, _, state in rows] == [
        (1, True, "current"),
        (2, True, "failed"),
    ]
    assert link.run(_RUN).split() == [b"%d" % board.image.address, b"%d" % len(image), b"5"]


def test_each_part_is_erased_once_and_before_it_is_written(link: Link, board: Board) -> None:
    content = bytes(range(256)) * 40  # two blocks and a half
    partition.write(link, 0, content, silent)
    log = _log(link)
    assert sorted(at for what, at in log if what == "erase") == [0, 4096, 8192]
    for what, at in log:
        assert what == "erase" or log.index(("erase", at - at % twin.ERASED)) < log.index((what, at))
    there = link.run(f"print(uctypes.bytearray_at({START}, {len(content)}) == bytes(range(256)) * 40, Twin.complete)")
    assert there.split()[0] == b"True"


@pytest.mark.slow
@pytest.mark.parametrize("link", ["whole", "blocks"], indirect=True)  # devices are prepared as blocks are
def test_a_power_cut_leaves_no_image_and_no_file_system(
    link: Link, board: Board, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "compiled", lambda _: {"instead.py": bytes(5000)})
    romfs.write(Target(board, link), board.image.address, image, silent)
    pieces = int(link.run("print(100000 - Twin.left)"))
    for left in (0, 1, pieces // 2, pieces - 1):
        link.run(f"Twin.left = {left}")
        with pytest.raises(DeviceError, match="power cut"):
            romfs.write(Target(board, link), board.image.address, image, silent)
        start = bytes.fromhex(link.run(f"print(bytes(uctypes.bytearray_at({START}, 20)).hex())").decode())
        assert start == b"\xff" * 20
    link.run("Twin.left = 100000")
    romfs.write(Target(board, link), board.image.address, image, silent)
    METHODS["partition"].install(link, board)
    there = f"uctypes.bytearray_at({board.image.address}, {len(image)})"
    assert link.run(f"print(open('/rom/app.xip', 'rb').read() == bytes({there}))") == b"True\r\n"


def test_what_does_not_fit_and_where_nothing_is(link: Link, board: Board, image: bytes) -> None:
    target = Target(board, link)
    with pytest.raises(InsituError, match=f"what goes with it take .* bytes, the ROM partition .* has {SIZE}"):
        romfs.write(target, board.image.address, image + bytes(SIZE), silent)
    with pytest.raises(InsituError, match="has no ROM partition at 0x00200010, .* there are: 0x00200000 to 0x0023ffff"):
        romfs.write(target, board.image.address + 16, image, silent)
    assert _log(link) == []
    link.run("sys.modules['vfs'] = _vfs")
    with pytest.raises(InsituError, match="the firmware on qemu_mps2_an385 has no ROM partitions"):
        romfs.write(target, board.image.address, image, silent)


def test_the_firmware_says_where_its_partition_lies(link: Link, board: Board) -> None:
    """A board file has what one firmware has; the firmware that is there may have another."""
    elsewhere = replace(board, image=Region(START + 0x1020, 0x1000))
    assert which.placed(elsewhere, link).image == board.image
    assert which.placed(replace(elsewhere, writers=("device", "romfs")), link).image == elsewhere.image
    chip = replace(board.chip, flash=Region(START + 0x1000, SIZE))
    with pytest.raises(InsituError, match="ROM partition .*0x00200000 to 0x0023ffff.* is not inside the flash"):
        which.placed(replace(board, chip=chip), link)
    link.run("sys.modules['vfs'] = _vfs")
    with pytest.raises(InsituError, match="has no ROM partitions"):
        which.placed(board, link)


def test_a_partition_that_the_package_does_not_fit_in_has_the_image_alone() -> None:
    feather = boards.load_board("adafruit_feather_m4")
    assert len(romfs.build(feather, bytes(50_000))) == 50_000 + romfs.IMAGE_OFFSET
    assert best(feather) == "files"


# --- images with names, in its second half ---


@pytest.mark.slow
@pytest.mark.parametrize("link", ["blocks", "device"], indirect=True)
def test_a_power_cut_leaves_the_image_that_a_name_had(link: Link, board: Board, image: bytes) -> None:
    link.run(_ERASED)
    kept = OnBoard(link, board)
    kept.add(image, "app", None, 0)
    for left in range(3):  # before its record, its data, and the mark that it is whole
        link.run(f"Twin.left = {left}")
        with pytest.raises(InsituError, match="power cut"):
            kept.add(_adds(board, 1), "app", 2, 0)
        link.run("Twin.left = 100000")
        assert [(row.name, row.version, row.state) for row in kept.rows()] == [("app", 1, "current")]
    kept.add(_adds(board, 1), "app", 2, 0)
    assert [(row.version, row.state) for row in kept.rows()] == [(2, "current"), (1, "previous")]
    kept.remove("app", None)
    assert kept.rows() == []


@pytest.mark.parametrize("link", ["whole"], indirect=True)
def test_a_firmware_that_erases_all_of_it_keeps_no_names(link: Link, board: Board, image: bytes) -> None:
    kept = OnBoard(link, board)
    assert kept.rows() == []
    with pytest.raises(InsituError, match=r"from the start on only: names need MicroPython 1\.29"):
        kept.add(image, "app", None, 0)


@pytest.mark.parametrize("link", ["device"], indirect=True)
def test_a_file_system_of_more_than_half_of_it(
    link: Link, board: Board, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "compiled", lambda _: {"instead.py": bytes(5000)})

    @contextmanager
    def opened(*_: object) -> Iterator[OnBoard]:
        yield OnBoard(link, board)

    monkeypatch.setattr(store, "opened", opened)
    link.run(_ERASED)
    large = image + bytes(SIZE // 2)
    store.check_overwrites_nothing(replace(board, firmware=replace(board.firmware, port="samd")), "there", large)
    store.check_overwrites_nothing(board, "there", large)
    OnBoard(link, board).add(image, "app", None, 0)
    store.check_overwrites_nothing(board, "there", image)
    with pytest.raises(InsituError, match="reaches into its second half, where app lies: give --name"):
        store.check_overwrites_nothing(board, "there", large)
    romfs.write(Target(board, link), board.image.address, large, silent)
    with pytest.raises(InsituError, match="file system reaches into its second half, where images with names lie"):
        OnBoard(link, board).add(image, "app", None, 0)


@pytest.mark.parametrize("link", ["blocks", "device"], indirect=True)
def test_mpremote_writes_to_the_stand_in_what_we_write(
    link: Link, machine: Emulator, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ecosystem's own tool takes the stand-in for a firmware, and leaves the same bytes as this writer."""
    monkeypatch.setattr(package, "compiled", lambda _: {"instead.py": bytes(5000)})
    content = romfs.build(board, bytes(5000))
    (tmp_path / "made.romfs").write_bytes(content)
    link.close()
    command = (sys.executable, "-m", "mpremote", "connect", machine.port, "resume", "romfs", "deploy")
    done = subprocess.run([*command, tmp_path / "made.romfs"], capture_output=True, text=True, check=False, timeout=60)
    assert "ROMFS image deployed" in done.stdout, done
    read = f"import uctypes, binascii\nprint(binascii.crc32(uctypes.bytearray_at({START}, {len(content)})))"
    with machine.link() as again:
        theirs = again.run(read)
        partition.write(again, 0, content, silent)
        assert again.run(read) == theirs
