"""The ways for the device package to get onto a board; a row of METHODS each.

romfs: in a ROM partition at a fixed address, which a stock firmware can mount. partition: in one that the firmware
mounts itself, written together with the image (flash/romfs.py). files: on the firmware's file system, where it stays,
with its code apart in flash where there is a place for it; sent only if it is not there yet. serial: over the serial
line into RAM, each time (ram.py). frozen: in a firmware built with it (firmware/).
"""

from __future__ import annotations

import ast
import base64
import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from insitu.board.record import Board, Region
from insitu.board.table import BoardError
from insitu.errors import InsituError
from insitu.link.raw_repl import Link
from insitu.link.runner import Runner
from insitu.machine import Contents, stock_firmware
from insitu.package import files, ram, romfs
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


# Writes below _root.
_WRITER = f"""
import binascii, os, sys
def _mkdir(path):
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != 17: raise
_mkdir(_root)
_mkdir(_root + '/{files.FOLDER}')
if _root not in sys.path: sys.path.append(_root)
def _more(text):
    _out.write(binascii.a2b_base64(text))
def _sum(name):
    found = 0
    try:
        with open(_root + '/' + name, 'rb') as file:
            while piece := file.read(1024):
                found = binascii.crc32(piece, found)
    except OSError:
        return None
    return found & 0xffffffff
"""


def send(link: Runner, package: files.Package) -> None:
    """Write the package's files into the file system of the board behind link, but those that are there already."""
    link.run(f"import sys\n_root = {files.ROOT}\n{_WRITER}")
    known = ast.literal_eval(link.run(f"print([_sum(name) for name in {[*package.files]}])\n").decode().strip())
    for (name, data), there in zip(package.files.items(), known, strict=True):
        if there != zlib.crc32(data):
            _put(link, name, data)
    link.run("del _sum, _more, _mkdir\n")


def _put(link: Runner, name: str, data: bytes) -> None:
    link.run(f"_out = open(_root + '/{name}', 'wb')\n")
    for start in range(0, len(data), _CHUNK):
        link.run(f"_more('{base64.b64encode(data[start : start + _CHUNK]).decode()}')\n")
    link.run("_out.close()\ndel _out\n")


def keep(link: Runner, board: Board) -> None:
    """Have the package on the board's file system: what is there is left alone where it is the same."""
    package = files.usable(link, board)
    if not files.is_there(link, package):
        files.begin(link)
        send(link, package)
        files.end(link, package)


@dataclass(frozen=True, slots=True)
class Method:
    """A way to deploy: the firmware that it needs, what lies in flash beside the image, what is done after start."""

    firmware: Callable[[Board], Path]
    contents: Callable[[Board], Contents]
    install: Callable[[Link, Board], None]


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
    code = [(board.package_code.address, files.linked(board).code)] if board.package_code else []
    return [(files.filesystem(board).address, files.build(board)), *code]


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
    "serial": Method(stock_firmware, _no_contents, ram.send),
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
