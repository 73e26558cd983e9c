"""`insitu flash`: an image into a board's flash, verified by the board itself."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from insitu.aot.targets import TARGETS, target
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash import WRITERS
from insitu.flash.writer import Over, Target
from insitu.image.read import ARCH_NAMES, Image, ImageError, read
from insitu.link.memory import device_crc
from insitu.link.raw_repl import Link
from insitu.link.runner import Runner
from insitu.machine import emulated, emulator, flash_of
from insitu.port.xip import layout
from insitu.steps import step

EMULATED = "emulated"  # the writer of a board in its emulator: the file that stands for its flash


@dataclass(frozen=True, slots=True)
class Flashed:
    """What is in the board's flash now.

    Attributes: address: as the CPU sees it; writer: how it got there; read_back: whether the board has read size and
    crc back, which not every boot loader can.
    """

    address: int
    size: int
    crc: int
    writer: str
    read_back: bool = True


def check_fits(data: bytes, board: Board) -> Image:
    """The image, if it is one for this board and fits; raises InsituError with what differs."""
    read_image = read(data)
    wanted = target(board.target).arch
    if read_image.arch != wanted:
        raise InsituError(
            f"the image is for {ARCH_NAMES.get(read_image.arch, 'an unknown CPU')}, {board.name} is "
            f"{ARCH_NAMES[wanted]}: build it with -b {board.name}"
        )
    needs = read_image.word(layout.IMAGE_FEATURES)
    if needs & ~target(board.target).cpu_features:
        made_for = [row.name for row in TARGETS.values() if (row.arch, row.cpu_features) == (wanted, needs)]
        raise InsituError(
            f"the image is for {' or '.join(made_for) or 'another CPU'}, {board.name} is {board.target}: "
            f"build it with -b {board.name}"
        )
    if len(data) > board.image.size:
        raise InsituError(f"the image has {len(data)} bytes, {board.name} has {board.image.size} for images")
    return read_image


def choose(board: Board, port: str | None, writer: str | None) -> str:
    """The writer to use, a key of WRITERS or EMULATED: the one asked for, or the best that the board has there."""
    if writer is None and port is None and board.emulator is not None:
        return EMULATED
    known = [name for name in board.writers if name in WRITERS]
    if writer is not None:
        if writer not in known:
            raise InsituError(f"{board.name} is not written by {writer}, but by: {', '.join(known) or 'its emulator'}")
        return writer
    over = Over.LINK if port is not None else Over.BOOT_LOADER
    for name in known:
        if WRITERS[name].over is over:
            return name
    raise InsituError(f"{board.name} is not written over {over.value}: give --to FILE for a programmer of your choice")


def flash(
    data: bytes,
    board: Board,
    *,
    port: str | None = None,
    writer: str | None = None,
) -> Flashed:
    """Put the image at the start of the board's image region and have the board read it back.

    port: of the board's serial line; None: its emulator. writer: see choose(). Raises InsituError.
    """
    check_fits(data, board)
    return put(data, board, board.image.address, port=port, writer=writer)


def put(
    data: bytes,
    board: Board,
    address: int,
    *,
    port: str | None = None,
    writer: str | None = None,
) -> Flashed:
    """Put any data at an address in flash that is free for it; else as flash()."""
    name = choose(board, port, writer)
    if name == EMULATED:
        flash_of(board).write(address, data)
    elif WRITERS[name].over is Over.BOOT_LOADER:
        _write(name, Target(board, None, port), address, data)
        return Flashed(address, len(data), zlib.crc32(data), name, read_back=WRITERS[name].reads_back)
    if port is not None:
        with Link(port) as link:
            return _over_link(link, board, address, data, name)
    machine = emulated(board, [], flash_file=flash_of(board).path)
    with machine, machine.link() as link:
        return _over_link(link, board, address, data, name)


def _write(name: str, target: Target, address: int, data: bytes) -> None:
    with step(f"writing {target.board.name}") as progress:
        WRITERS[name].write(target, address, data, progress)


def _over_link(link: Link, board: Board, address: int, data: bytes, name: str) -> Flashed:
    if name != EMULATED:
        _write(name, Target(board, link), address, data)
    verify(link, address, data, board.name)
    return Flashed(address, len(data), zlib.crc32(data), name)


def verify(link: Runner, address: int, data: bytes, name: str) -> None:
    """Raise InsituError unless the board called name reads data at address."""
    crc = device_crc(link, address, len(data))
    if crc != zlib.crc32(data):
        raise InsituError(f"{name} reads back CRC {crc:#010x}, expected {zlib.crc32(data):#010x}")


def flashed(board: Board) -> bytes:
    """The image that the last `insitu flash` wrote for the board's emulator; raises InsituError if there is none."""
    emulator(board)
    try:
        return read(flash_of(board).read(board.image.address, board.image.size)).data
    except ImageError:
        raise InsituError(f"no image is flashed on {board.name}: run `insitu flash APP.xip -b {board.name}`") from None
