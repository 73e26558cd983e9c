"""STM32 by its boot loader at USB. Nothing is called done that was not read back."""

from __future__ import annotations

from insitu.board.record import Board, Region
from insitu.errors import InsituError
from insitu.flash import dfuse
from insitu.flash.dfu_usb import BootLoader, boot_loader
from insitu.flash.writer import Over, Target, Writer
from insitu.steps import Progress

_BEFORE = 256  # bytes in front of the image region: a firmware that reached into it would fill them


def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
    """See Writer. Leaves the boot loader, so that the firmware starts, once all was read back."""
    board, data = target.board, dfuse.padded(data)
    with boot_loader() as loader:
        sectors = _sectors(board, loader, Region(address, len(data)))
        _check_free(board, loader)
        for sector in sectors:
            loader.erase(sector.address)
        # The start comes last: until then there is no image.
        start, *others = loader.pieces(len(data))
        done = 0
        for piece in (*others, start):
            loader.write(address + piece.start, data[piece.start : piece.stop])
            progress(done := done + len(piece), len(data))
        if loader.read(address, len(data)) != data:
            raise InsituError(f"{board.name}: flash at {address:#010x} does not read back what was written")
        loader.leave(board.chip.flash.address)


def _sectors(board: Board, loader: BootLoader, wanted: Region) -> list[Region]:
    """Those to erase. Raises InsituError where the device's are not those of the board's chip."""
    sectors = board.chip.sectors_in(wanted)
    missing = [sector for sector in sectors if sector not in loader.sectors]
    if missing or not sectors:
        raise InsituError(
            f"the board in its boot loader is no {board.name}: it has no sector at "
            f"{missing[0] if missing else wanted} to erase and write, as {board.chip.name} has"
        )
    return sectors


def _check_free(board: Board, loader: BootLoader) -> None:
    if loader.read(board.image.address - _BEFORE, _BEFORE) != b"\xff" * _BEFORE:
        raise InsituError(
            f"{board.name}: the firmware on the board reaches up to {board.image.address:#010x}, where images would lie"
        )


DFU = Writer(Over.BOOT_LOADER, write, "ST's boot loader at USB: machine.bootloader() starts it", reads_back=True)
