"""`insitu deploy`: the device package onto a board, to stay there."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash.package import put_code
from insitu.link.memory import device_crc
from insitu.link.raw_repl import Link
from insitu.link.runner import Runner
from insitu.machine import emulated, emulator, flash_of
from insitu.machine.port import Port
from insitu.package import files
from insitu.package.deploy import METHODS, best, build_romfs
from insitu.steps import step

STAYS = ("romfs", "files")  # keys of METHODS: what is there after a reset; the others are sent or built for a run
_RAM = """
import gc
gc.collect()
before = gc.mem_alloc()
import insitu
insitu.Runtime
gc.collect()
print(gc.mem_alloc() - before)
"""

_COPIED = "its code is copied to RAM: write it first, as `insitu deploy --to FILE` makes it"


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was done and what it costs.

    Attributes: method: a key of METHODS; flash_bytes: of flash; ram_bytes: of MicroPython's heap, once imported; note:
    how it could take less, "" where it could not.
    """

    board: str
    method: str
    flash_bytes: int
    ram_bytes: int
    note: str


def deploy(board: Board, *, port: str | None = None, method: str | None = None) -> Deployed:
    """Put the package onto the board at port (None: into its emulator's flash) and import it there once.

    method: a key of METHODS that stays; None: the best that the board allows. Raises InsituError.
    """
    name = method or best(board)
    if name == "partition":
        raise InsituError(f"the package of {board.name} is written with an image: `insitu flash APP.xip --port PORT`")
    if name not in STAYS:
        raise InsituError(
            f"{board.name} has neither a ROM partition nor a file system that keeps the package: `insitu run` sends it "
            "each time, `insitu firmware --frozen` builds a firmware that has it"
        )
    if port is None:
        emulator(board)
        contents = METHODS[name].contents(board)
        machine = emulated(board, contents, flash_file=flash_of(board).path)
        with machine, machine.link() as link:
            return _install(link, board, name)
    if name == "files":
        put_code(board, port)
    with Port(port).link() as link:
        link.soft_reset()
        if name == "romfs":
            _check_partition(link, board)
        return _install(link, board, name)


def code_of(board: Board) -> tuple[int, bytes]:
    """Address and bytes of the package's code in flash. Raises InsituError where the board has no place for it."""
    if board.package_code is None:
        raise InsituError(f"{board.name} has no place in flash for the package's code: deploy it with --port")
    return board.package_code.address, files.linked(board).code


def _check_partition(link: Runner, board: Board) -> None:
    """A partition at a fixed address cannot be written over the line: it must be there."""
    wanted = build_romfs(board)
    assert board.package is not None
    if device_crc(link, board.package.address, len(wanted)) != zlib.crc32(wanted):
        raise InsituError(
            f"the ROM partition of {board.name} has another package or none, and is not written over the serial line: "
            "give --method files if it has a file system"
        )


def _install(link: Link, board: Board, name: str) -> Deployed:
    with step(f"the device package on {board.name}"):
        METHODS[name].install(link, board)
    if name == "romfs":
        return Deployed(board.name, name, len(build_romfs(board)), int(link.run(_RAM)), "")
    package = files.usable(link, board)
    size = len(package.code) + sum(map(len, package.files.values()))
    copied = board.package_code is not None and not package.code
    return Deployed(board.name, name, size, int(link.run(_RAM)), _COPIED if copied else "")
