"""The device package for a board that keeps nothing: its code in one bytearray, all else read from the host.

Code that every program keeps is linked to where the bytearray lies, and sent once; bytecode, machine code and raw codes
are used there. Its names, and whole files that few programs need, come when they are imported: the board asks for
them, see link/files.py. What is let go, like the check of an image, leaves nothing but its names.
"""

from __future__ import annotations

import ast
import base64
import zlib

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.link.files import Files
from insitu.link.raw_repl import Link
from insitu.mpy.cross import MARCH
from insitu.mpy.device import loader_files
from insitu.mpy.link import apart
from insitu.package import compile as package
from insitu.package.join import PACKAGE
from insitu.package.names import DEVICE, PORT
from insitu.port.xip.inplace.blob import LOADER

_STAYS = f"{DEVICE}/{PACKAGE}.mpy"  # what every program keeps
_CHUNK = 1024  # bytes of code in a piece
_SYSTEM = (PORT / "platform" / "from_host.py").read_text()
# Line numbers of this code cost RAM.
_MOUNT = """
import micropython
micropython.opt_level(3)
TOKEN = {token!r}
{system}
import vfs
from uctypes import addressof
_host = Host({size})
vfs.mount(_host, "/ram")
sys.path.append("/ram")
import {loader}
print(addressof(_host.code) if {loader}.kinds else 0)
"""
# What was written may be in a data cache, and the instruction cache be older. Armv7-M Architecture Reference Manual,
# B3.2.2: CCR says whether there are caches and they are on, DCCMVAU writes a line of 32 bytes back, ICIALLU.
_CACHES = """
from machine import mem32
if mem32[0xE000ED14] & 3 << 16:
    for at in range({address} & ~31, {address} + {size}, 32): mem32[0xE000EF64] = at
    mem32[0xE000EF50] = 0
"""


def send(link: Link, board: Board) -> None:
    """Put the package into RAM of the board behind link, and go on serving its files there.

    Raises InsituError where the board has got something else than what was sent.
    """
    package_files = {f"{DEVICE}/{name}": data for name, data in package.compiled(board).items()}
    files = {**loader_files(board.target), **package_files}
    served = Files(files)
    link.serve(served)
    size = len(apart(files[_STAYS], 0)[1])
    system = ast.unparse(ast.parse(_SYSTEM))
    said = link.run(_MOUNT.format(token=served.token, system=system, size=size, loader=LOADER))
    address = int(said.split()[-1])
    if address:
        files[_STAYS], code = apart(files[_STAYS], address)
        _fill(link, code)
        if MARCH[board.target].startswith("armv7m"):
            link.run(_CACHES.format(address=address, size=size))
    # nothing that comes later is linked, so the loader may go
    link.run(f"import insitu\n{'' if address else '_host.code = None'}\ndel _host, {LOADER}, sys.modules[{LOADER!r}]\n")


def _fill(link: Link, code: bytes) -> None:
    for at in range(0, len(code), _CHUNK):
        piece = code[at : at + _CHUNK]
        link.run(f"_host.code[{at}:{at + len(piece)}] = a2b_base64('{base64.b64encode(piece).decode()}')\n")
    if int(link.run("import binascii\nprint(binascii.crc32(_host.code))\n")) != zlib.crc32(code):
        raise InsituError("the board's RAM does not keep the package that was sent")
