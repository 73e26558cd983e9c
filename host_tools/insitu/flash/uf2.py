"""UF2 files, and the boot volume that takes them (github.com/microsoft/uf2, "UF2 file format")."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.flash.writer import Over, Target, Writer
from insitu.steps import Progress

_START, _START2, _END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
_FAMILY_PRESENT = 0x2000
_BLOCK, _PAYLOAD = 512, 256
# By chip: family of the file (uf2families.json; pico-sdk boot/uf2.h), Board-ID that the boot volume's INFO_UF2.TXT
# has. On RP2350 "absolute": written to the addresses that it names, whatever partitions say.
_CHIPS = {"RP2040": (0xE48BFF56, "RPI-RP2"), "RP2350": (0xE48BFF57, "RP2350")}
_RESTART = 15.0  # seconds that a board has to write the file and restart


def family(board: Board) -> int:
    """The family id of the board's chip. Raises InsituError where it takes no UF2 files."""
    return _chip(board)[0]


def encode(address: int, data: bytes, family_id: int) -> bytes:
    """A UF2 file that writes data (the last page filled with 0xFF) to a page's address."""
    pages = [data[at : at + _PAYLOAD] for at in range(0, len(data), _PAYLOAD)]
    blocks = []
    for number, page in enumerate(pages):
        header = struct.pack(
            "<8I",
            _START,
            _START2,
            _FAMILY_PRESENT,
            address + number * _PAYLOAD,
            _PAYLOAD,
            number,
            len(pages),
            family_id,
        )
        payload = page.ljust(_PAYLOAD, b"\xff").ljust(_BLOCK - len(header) - 4, b"\0")
        blocks.append(header + payload + struct.pack("<I", _END))
    return b"".join(blocks)


def write(target: Target, address: int, data: bytes, progress: Progress) -> None:
    """See Writer. Onto the boot volume where one is mounted, otherwise by picotool if it is installed."""
    file = encode(address, data, family(target.board))
    if volume := _volume(target.board):
        _copy(volume, file)
    elif picotool := shutil.which("picotool"):
        _picotool(picotool, file)
    else:
        raise InsituError(
            f"{target.board.name}: no boot volume is mounted and picotool is not installed: hold BOOTSEL while you "
            "plug the board in and try again, or give --to FILE.uf2 and copy the file yourself"
        )
    progress(len(data), len(data))


def _chip(board: Board) -> tuple[int, str]:
    if board.chip.name not in _CHIPS:
        raise InsituError(f"{board.name}: {board.chip.name} takes no UF2 files")
    return _CHIPS[board.chip.name]


def mounted() -> list[Path]:
    """Where volumes are mounted now."""
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in "DEFGHIJKLMNOPQRSTUVWXYZ"]
    if sys.platform == "darwin":
        return list(Path("/Volumes").iterdir())
    fields = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    # A space in a path is written as \040 there, proc(5).
    return [Path(field[1].encode().decode("unicode_escape")) for field in fields]


def _volume(board: Board) -> Path | None:
    _, name = _chip(board)
    for folder in mounted():
        info = folder / "INFO_UF2.TXT"
        try:
            if f"Board-ID: {name}" in info.read_text():
                return folder
        except OSError:
            continue
    return None


def _copy(volume: Path, file: bytes) -> None:
    """The board restarts, and its volume goes away, when it has all blocks: only that is success."""
    try:
        (volume / "IMAGE.UF2").write_bytes(file)
    except OSError as error:
        raise InsituError(f"cannot write to {volume}: {error.strerror}") from None
    end = time.monotonic() + _RESTART
    while (volume / "INFO_UF2.TXT").exists():
        if time.monotonic() > end:
            raise InsituError(f"the board at {volume} has not restarted: it did not take the file")
        time.sleep(0.1)


def _picotool(picotool: str, file: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="insitu-uf2-") as name:
        path = Path(name) / "image.uf2"
        path.write_bytes(file)
        done = subprocess.run(
            [picotool, "load", "--verify", "--execute", str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise InsituError(f"picotool: {(done.stderr or done.stdout).strip()}")


UF2 = Writer(Over.BOOT_LOADER, write, "the board's boot volume: hold BOOTSEL while plugging it in")
