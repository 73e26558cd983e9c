"""The package onto a file system over the serial line, with a small one: the whole takes the emulator a minute."""

from __future__ import annotations

from pathlib import Path

import littlefs
import pytest
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.link.raw_repl import Link
from insitu.machine import emulated
from insitu.package import compile as package
from insitu.package import deploy, files

BOARD = load_board("rpi_pico")
_SOURCES = ("__init__.py", "runtime.py", "instance.py", "raw.py")


@pytest.mark.slow
def test_is_sent_once_and_again_where_it_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {str(Path(name).with_suffix(".mpy")): name.encode() for name in _SOURCES} | {"raw.mpy": b"\x04\x03" * 999}
    monkeypatch.setattr(package, "device_sources", lambda _: dict.fromkeys(_SOURCES, ""))
    monkeypatch.setattr(package, "compile_sources", lambda *_: sent)
    with emulated(BOARD, [], flash_file=tmp_path / "flash.bin") as machine, machine.link() as link:
        assert not files.is_there(link, BOARD)
        deploy.keep(link, BOARD)
        assert files.is_there(link, BOARD)
        with monkeypatch.context() as patch:
            patch.setattr(deploy, "send", lambda *_: pytest.fail("sent again"))
            deploy.keep(link, BOARD)
        with monkeypatch.context() as patch:  # the line breaks in the middle
            patch.setattr(deploy, "send", _fail)
            sent["raw.mpy"] = b"newer"
            with pytest.raises(InsituError, match="gone"):
                deploy.keep(link, BOARD)
        assert not files.is_there(link, BOARD)
        deploy.keep(link, BOARD)
        assert isinstance(link, Link)
        read = "import os\nprint(sorted(os.listdir('/lib/insitu')), open('/lib/insitu/raw.mpy', 'rb').read())"
        assert (
            link.run(read).strip() == b"['__init__.mpy', 'digest', 'instance.mpy', 'raw.mpy', 'runtime.mpy'] b'newer'"
        )


def _fail(*_: object) -> None:
    raise InsituError("gone")


def test_an_emulated_board_s_file_system_is_littlefs_with_all_files() -> None:
    made = files.build(BOARD)
    assert BOARD.filesystem is not None
    assert len(made) == BOARD.filesystem.size
    context = littlefs.UserContext(len(made))
    context.buffer = bytearray(made)
    system = littlefs.LittleFS(context, block_size=4096, block_count=len(made) // 4096, mount=True)
    for name, data in package.compiled(BOARD).items():
        with system.open(f"/lib/insitu/{name}", "rb") as file:
            assert file.read() == data
    with pytest.raises(InsituError, match="the firmware of qemu_rv32 has no file system"):
        files.build(load_board("qemu_rv32"))
