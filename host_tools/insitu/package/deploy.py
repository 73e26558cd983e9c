"""The ways for the device package to get onto a board; a row of METHODS each.

romfs: in a ROM partition at a fixed address, which a stock firmware can mount. partition: in one that the firmware
mounts itself, written together with the image (flash/romfs.py). files: on the firmware's file system, where it stays;
sent only if it is not there yet. serial: file by file over the serial line to a stock firmware, each time. frozen: in
a firmware built with it (firmware/).
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from insitu.board.record import Board, Region
from insitu.board.table import BoardError
from insitu.errors import InsituError
from insitu.link.runner import Runner
from insitu.machine import Contents, stock_firmware
from insitu.package import compile as package
from insitu.package import files, romfs
from insitu.package.firmware import frozen_firmware

_CHUNK = 1536  # bytes of a file in one piece of code


@functools.cache
def build_romfs(board: Board) -> bytes:
    """The device package for a board, as a ROM file system that MicroPython mounts with vfs.VfsRom.

    Raises InsituError where the board has no place for one.
    """
    return romfs.build(board, _partition(board).address)


def mount_code(address: int, size: int) -> str:
    """Code for the raw REPL that mounts a ROMFS lying at address and puts it on the import path."""
    return (
        "import vfs, uctypes, sys\n"
        f"vfs.mount(vfs.VfsRom(uctypes.bytearray_at({address}, {size})), '/rom')\n"
        "if '/rom' not in sys.path: sys.path.append('/rom')\n"
    )


# Writes below _root; a board without a writable file system gets one of objects, which gives a file away when it is
# imported.
_WRITER = """
import binascii, gc, io, os, sys
class _File:
    def __init__(self, data):
        self.data, self.at = data, 0
    def write(self, data):
        self.data[self.at:self.at + len(data)] = data
        self.at += len(data)
    def close(self): pass
class _Ram:
    def __init__(self):
        self.files, self.folders = {}, []
    def mount(self, readonly, mkfs): pass
    def umount(self): pass
    def mkdir(self, path):
        self.folders.append(path)
    def stat(self, path):
        if path not in self.folders and path not in self.files:
            raise OSError(2)
        return (0x4000 if path in self.folders else 0x8000,) + (0,) * 9
    def open(self, path, mode):
        if path not in self.files:
            raise OSError(2)
        return io.BytesIO(self.files.pop(path))
def _mkdir(path):
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != 17: raise
_ram = None
try:
    _mkdir(_root)
    open(_root + '/insitu.tmp', 'wb').close()
    os.remove(_root + '/insitu.tmp')
except OSError:
    import vfs
    _root, _ram = '/ram', _Ram()
    vfs.mount(_ram, _root)
if _root not in sys.path: sys.path.append(_root)
def _open(path, size):
    global _out
    gc.collect()
    if _ram:
        _ram.files[path] = bytearray(size)
        _out = _File(_ram.files[path])
    else:
        _out = open(_root + path, 'wb')
def _more(text):
    _out.write(binascii.a2b_base64(text))
def _close(name):
    global _out
    _out.close()
    _out = None
    if _ram and name: __import__(name)
print(_root)
"""
# What was given away cannot be loaded again.
_KEEP = """
import insitu.platform
insitu.platform.forget_module = lambda module: None
"""


def send(link: Runner, board: Board) -> None:
    """Put the package onto the board behind link: into its file system, or where it has none, straight into RAM."""
    into_ram = link.run(f"import sys\n_root = {files.ROOT}\n{_WRITER}").decode().strip() == "/ram"
    sources = package.separate_sources(board) if into_ram else package.device_sources(board)
    modules, compiled = package.modules(sources), package.compile_sources(board, sources)
    link.run("_mkdir(_root + '/insitu')\n")
    for source, module in modules.items():
        name = str(Path(source).with_suffix(".mpy"))
        _send_file(link, name, compiled[name])
        link.run(f"_close('{module}')\n")
    link.run("del _open, _more, _close, _mkdir, _File\n" + (_KEEP if into_ram else ""))


def keep(link: Runner, board: Board) -> None:
    """Have the package on the board's file system: what is there is left alone where it is the same."""
    if not files.is_there(link, board):
        files.begin(link)
        send(link, board)
        files.end(link, board)


def _send_file(link: Runner, name: str, data: bytes) -> None:
    link.run(f"_open('/insitu/{name}', {len(data)})\n")
    for start in range(0, len(data), _CHUNK):
        link.run(f"_more('{base64.b64encode(data[start : start + _CHUNK]).decode()}')\n")


@dataclass(frozen=True, slots=True)
class Method:
    """A way to deploy: the firmware that it needs, what lies in flash beside the image, what is done after start."""

    firmware: Callable[[Board], Path]
    contents: Callable[[Board], Contents]
    install: Callable[[Runner, Board], None]


def _partition(board: Board) -> Region:
    if board.package is None:
        raise InsituError(f"the firmware of {board.name} mounts no ROM partition: deploy the package in another way")
    return board.package


def _romfs_contents(board: Board) -> Contents:
    partition, package = _partition(board), build_romfs(board)
    if len(package) > partition.size:
        raise InsituError(f"the package has {len(package)} bytes, {board.name} has {partition.size} for it")
    return [(partition.address, package)]


def _mount(link: Runner, board: Board) -> None:
    link.run(mount_code(_partition(board).address, len(build_romfs(board))))


def _files_contents(board: Board) -> Contents:
    return [(files.filesystem(board).address, files.build(board))]


def _import_from_partition(link: Runner, _: Board) -> None:
    """As MicroPython does when it starts, which may have been before the partition was written."""
    link.run(
        "import sys, vfs\n"
        "try: vfs.mount(vfs.VfsRom(vfs.rom_ioctl(2, 0)), '/rom')\n"
        "except OSError: pass\n"  # it is mounted
        "if '/rom' not in sys.path: sys.path.append('/rom')\n"
    )


def _no_contents(_: Board) -> Contents:
    return []


def _nothing_to_do(_: Runner, __: Board) -> None:
    pass


METHODS = {
    "romfs": Method(stock_firmware, _romfs_contents, _mount),
    "partition": Method(stock_firmware, _no_contents, _import_from_partition),
    "files": Method(stock_firmware, _files_contents, keep),
    "serial": Method(stock_firmware, _no_contents, send),
    "frozen": Method(frozen_firmware, _no_contents, _nothing_to_do),
}


def best(board: Board) -> str:
    """The way, a key of METHODS, that costs the board the least RAM with its stock firmware.

    Raises BoardError where the board's file names none.
    """
    if board.deploy:
        if board.deploy not in METHODS:
            raise BoardError(f'{board.name}: deploy "{board.deploy}" is none of {", ".join(METHODS)}')
        return board.deploy
    if board.package:
        return "romfs"
    if "romfs" in board.writers:
        return "partition"
    return "files" if board.filesystem else "serial"
