"""What is read is never overwritten, what a file is is seen in it, and an output that takes nothing is one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.package import files

from tests.cli.conftest import Command, refused

ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
_BOARD = ("-b", "nrf52840_dk")


@pytest.fixture
def image(insitu: Command, wasm: Callable[..., Path]) -> Path:
    """app.xip, beside app.wasm."""
    app = wasm(ADD)
    assert insitu("build", app, *_BOARD).status == 0
    return app.with_suffix(".xip")


@pytest.mark.parametrize("way", ["itself", "a link to it"])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("app.wasm", ("build", "app.wasm", "-o")),
        ("app.xip", ("flash", "app.xip", "--to")),
        ("app.wasm", ("tune", "app.wasm", "--invoke", "add 2 3", "--apply")),
    ],
)
def test_what_is_read_is_not_overwritten(
    insitu: Command, image: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: tuple[str, ...], way: str
) -> None:
    monkeypatch.chdir(image.parent)
    made, before = Path(name), Path(name).read_bytes()
    if way == "a link to it":
        made = Path("link.bin")
        made.symlink_to(name)
    done = insitu(*command, made, *_BOARD)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"insitu: {made} is what is read: it would be overwritten, give the output another name\n"
    assert Path(name).read_bytes() == before


def test_an_image_is_not_put_over_the_module_of_its_source(insitu: Command, tmp_path: Path) -> None:
    (tmp_path / "app.wat").write_text(ADD)
    done = insitu("build", tmp_path / "app.wat", *_BOARD, "-o", tmp_path / "app.wasm")
    assert (done.status, "is where the module goes: give the image another name" in done.err) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["app.wat"]


def test_the_magic_decides_what_a_file_is(insitu: Command, image: Path, tmp_path: Path) -> None:
    called = {"fw.bin": image, "fw.romfs": image, "fw.xip": image.with_suffix(".wasm")}
    for name, path in called.items():
        (tmp_path / name).write_bytes(path.read_bytes())
        made = tmp_path / "made.hex"
        done = insitu("flash", tmp_path / name, *_BOARD, "--to", made)
        assert (done.status, made.exists()) == (0, True), done
        made.unlink()
    done = insitu("build", tmp_path / "fw.bin", *_BOARD)
    assert "fw.bin is an image already: build wants the .wasm file, or its source" in done.err
    done = insitu("tune", tmp_path / "fw.bin", *_BOARD, "--invoke", "add 2 3")
    assert done.err == f"insitu: {tmp_path / 'fw.bin'} is an image: tune builds several, give the .wasm file\n"
    (tmp_path / "rom.bin").write_bytes(b"\xd2\xcd\x31\x00")  # extmod/vfs_rom.c: an empty file system
    done = insitu("flash", tmp_path / "rom.bin", *_BOARD, "--to", tmp_path / "made.hex")
    assert (done.status, "no --to and no --writer go with a .romfs file" in done.err) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_one_line(image: Path, insitu: Command) -> None:
    done = insitu("build", image.with_suffix(".wasm"), *_BOARD, "-o", "/dev/full")
    assert (done.status, done.err) == (1, "insitu: /dev/full: No space left on device\n")
    with Path("/dev/full").open("w") as full:
        command = (sys.executable, "-m", "insitu", "inspect", image)
        printed = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (printed.returncode, printed.stderr) == (1, "insitu: the output: No space left on device\n")


def test_a_reader_that_has_enough_ends_it_in_silence(image: Path) -> None:
    command = (sys.executable, "-m", "insitu", "inspect", image)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        assert (child.stderr.read(), child.wait()) == (b"", 1)


def test_a_folder_that_cannot_be_made(insitu: Command, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("a = 1\n")
    (tmp_path / "file").write_text("")
    done = insitu("mpy", tmp_path / "module.py", "-b", "qemu_rv32", "-o", tmp_path / "file" / "x.romfs")
    assert done.status == 1
    assert done.err.startswith(f"insitu: {tmp_path / 'file'}: ") and done.err.count("\n") == 1


def test_the_package_s_code_into_a_file(insitu: Command, tmp_path: Path) -> None:
    """What a board gets that no serial line writes: each block of a UF2 file has 256 bytes at 32."""
    board, made = load_board("rpi_pico2"), tmp_path / "package.uf2"
    done = insitu("deploy", "-b", board.name, "--to", made, "--json")
    code = files.linked(board).code
    assert board.package_code is not None
    assert (done.json["address"], done.json["size"]) == (board.package_code.address, len(code))
    blocks = [made.read_bytes()[at : at + 512] for at in range(0, made.stat().st_size, 512)]
    assert b"".join(block[32:288] for block in blocks).startswith(code)
    refused(insitu("deploy", "-b", "nucleo_wb55", "--to", made), "nucleo_wb55 has no place in flash for the package's")
    assert insitu("deploy", "--port", "nowhere", "--to", made).status == 2
