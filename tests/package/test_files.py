"""The package onto a file system over the serial line, with a small one: the whole takes the emulator a minute."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import littlefs
import pytest
from insitu.board.boards import load_board
from insitu.board.record import Region
from insitu.errors import InsituError
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.package import compile as package
from insitu.package import deploy, files

BOARD = load_board("rpi_pico")
_COPIED = replace(BOARD, package_code=None)
_SOURCES = ("__init__.py", "runtime.py", "instance.py", "raw.py")


@pytest.mark.slow
def test_is_sent_once_and_again_where_it_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {str(Path(name).with_suffix(".mpy")): name.encode() for name in _SOURCES} | {"raw.mpy": b"\x04\x03" * 999}
    monkeypatch.setattr(package, "compiled", lambda _: sent)
    with emulated(_COPIED, [], flash_file=tmp_path / "flash.bin") as machine, machine.link() as link:
        assert not files.is_there(link, files.copied(_COPIED))
        deploy.keep(link, _COPIED)
        assert files.is_there(link, files.copied(_COPIED))
        with monkeypatch.context() as patch:
            patch.setattr(deploy, "send", lambda *_: pytest.fail("sent again"))
            deploy.keep(link, _COPIED)
        with monkeypatch.context() as patch:  # the line breaks in the middle
            patch.setattr(deploy, "send", _fail)
            sent["raw.mpy"] = b"newer"
            with pytest.raises(InsituError, match="gone"):
                deploy.keep(link, _COPIED)
        assert not files.is_there(link, files.copied(_COPIED))
        put, written = deploy._put, []
        with monkeypatch.context() as patch:
            patch.setattr(deploy, "_put", lambda *given: (written.append(given[1]), put(*given)))
            deploy.keep(link, _COPIED)
        assert written == ["insitu/raw.mpy"]
        assert isinstance(link, Link)
        read = "import os\nprint(sorted(os.listdir('/lib/insitu')), open('/lib/insitu/raw.mpy', 'rb').read())"
        assert (
            link.run(read).strip() == b"['__init__.mpy', 'digest', 'instance.mpy', 'raw.mpy', 'runtime.mpy'] b'newer'"
        )


# A file system where STM32's firmware has it: /flash, which is on the path; / itself cannot be written.
_FLASH = """
import io, os, sys, vfs
class _Kept:
    def __init__(self, data): self.data = data
    def write(self, data): self.data.extend(data); return len(data)
    def close(self): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
class _Files:
    kept, folders = {}, []
    def mount(self, readonly, mkfs): pass
    def umount(self): pass
    def mkdir(self, path): self.folders.append(path)
    def remove(self, path): self._known(path); del self.kept[path]
    def _known(self, path):
        if path not in self.kept: raise OSError(2)
    def stat(self, path):
        if path not in self.folders: self._known(path)
        return (0x4000 if path in self.folders else 0x8000,) + (0,) * 9
    def open(self, path, mode):
        if 'w' in mode:
            self.kept[path] = bytearray()
            return _Kept(self.kept[path])
        self._known(path)
        return io.StringIO(bytes(self.kept[path]).decode()) if path.endswith('digest') else io.BytesIO(self.kept[path])
vfs.mount(_Files(), '/flash')
sys.path += ['/flash', '/flash/lib']
"""


@pytest.mark.qemu
def test_where_a_file_system_is_not_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board("qemu_mps2_an385")
    sent = {str(Path(name).with_suffix(".mpy")): name.encode() for name in _SOURCES}
    monkeypatch.setattr(package, "compiled", lambda _: sent)
    with emulated(board, []) as machine, machine.link() as link:
        link.run(_FLASH)
        assert not files.is_there(link, files.copied(board))
        deploy.keep(link, board)
        assert files.is_there(link, files.copied(board))
        found = ast.literal_eval(link.run("print(_Files.folders, ',', sorted(_Files.kept))").decode())
        there = [f"/lib/insitu/{name}" for name in sorted([*sent, "digest"])]
        assert found == (["/lib", "/lib/insitu"], there)
        deploy.keep(link, board)


def _fail(*_: object) -> None:
    raise InsituError("gone")


def test_an_emulated_board_s_file_system_is_littlefs_with_all_files() -> None:
    made = files.build(BOARD)
    assert BOARD.filesystem is not None
    assert len(made) == BOARD.filesystem.size
    context = littlefs.UserContext(len(made))
    context.buffer = bytearray(made)
    system = littlefs.LittleFS(context, block_size=4096, block_count=len(made) // 4096, mount=True)
    for name, data in files.linked(BOARD).files.items():
        with system.open(f"/lib/{name}", "rb") as file:
            assert file.read() == data
    with pytest.raises(InsituError, match="the firmware of qemu_rv32 has no file system"):
        files.build(load_board("qemu_rv32"))


@pytest.mark.slow
def test_files_without_their_code_are_refused() -> None:
    """What the code in flash is not is named, and made good by files that need none of it."""
    system, (address, code) = deploy.METHODS["files"].contents(BOARD)
    assert BOARD.package_code is not None
    assert (address, code) == (BOARD.package_code.address, files.linked(BOARD).code)
    with emulated(BOARD, [system]) as machine, machine.link() as link:
        with pytest.raises(DeviceError, match="the code in flash is of another version than the module: deploy both"):
            link.run("import insitu")
        assert files.usable(link, BOARD) == files.copied(BOARD)


def test_too_little_room_for_the_code_is_said() -> None:
    small = replace(BOARD, package_code=Region(0x10089000, 0x1000))
    with pytest.raises(InsituError, match=r"the package's code has \d+ bytes, rpi_pico has 4096 for it"):
        files.linked(small)
