"""Flash that a board's CPU sees only once it has mapped it, which it forgets at each reset (ESP32)."""

from __future__ import annotations

import ast

from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.link.runner import DeviceError, Runner
from insitu.package.names import PORT

_IMPORT = "from insitu.mapped_flash import map_partition\n"
_MAP = "map_partition()\n"


def map_images(link: Runner, board: Board, *, package: bool) -> None:
    """Have the board behind link see its images, if it must map them; raises InsituError where it cannot.

    package: whether the device package is there, which then leaves nothing behind; otherwise what is sent stays.
    """
    if not board.mapped:
        return
    sent = ast.unparse(ast.parse((PORT / "platform" / "mapped_flash.py").read_text())) + "\n"
    try:
        link.run(f"{_IMPORT}{_MAP}del map_partition\n" if package else sent + _MAP)
    except DeviceError as error:
        if error.kind != "OSError":
            raise
        raise InsituError(f"{board.name}: {error.text}") from error
