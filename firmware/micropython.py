"""MicroPython's sources and the firmwares built from them. Standard library only: runs before .venv is.

    python3 firmware/micropython.py            fetch what is missing, build the firmware of every emulated board
    python3 firmware/micropython.py BOARD...   only these
    python3 firmware/micropython.py --frozen FOLDER BOARD
                                               FOLDER/firmware.elf with the sources in FOLDER/package frozen in

The sources are MICROPY_DIR where that is set (a MicroPython checkout of the user's), otherwise Debian's source
package of the pinned version, taken from the mirror that this machine's own apt uses.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import debian
import qemu
import rp2
from common import BUILD, ROOT, SetupError

BOARDS = ROOT / "boards"
MICROPYTHON = debian.Source(
    "micropython",
    "1.25.0",
    "micropython_*.orig.tar.*",
    "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea",
)
# A port's build: (settings of the board file's [firmware], MicroPython's tree, folder of the build, what it makes,
# log, the folder of a package to freeze in or None).
Build = Callable[[dict, Path, Path, Path, Path, "Path | None"], None]
PORTS: dict[str, tuple[str, Build]] = {"qemu": (".elf", qemu.build), "rp2": (".bin", rp2.build)}


def sources() -> Path:
    """MICROPY_DIR, or the pinned sources, fetched once into build/."""
    own = os.environ.get("MICROPY_DIR")
    if own:
        if not (Path(own) / "ports" / "qemu").is_dir():
            raise SetupError(f"MICROPY_DIR={own} has no ports/qemu: it is not a MicroPython checkout of 1.24 or later")
        return Path(own).resolve()
    return debian.fetch([MICROPYTHON], BUILD)[0]


def settings(board: str) -> dict | None:
    """[firmware] of the board's file, None for a board that no emulator runs: it needs no firmware here."""
    with (BOARDS / f"{board}.toml").open("rb") as file:
        table = tomllib.load(file)
    return table["firmware"] if "machine" in table else None


def build(board: str, tree: Path, frozen: Path | None) -> Path:
    """The board's firmware, built only if it is not there yet; with frozen/package in it, as frozen/firmware.*."""
    found = settings(board)
    if found is None:
        raise SetupError(f"no firmware is built for {board}")
    suffix, make = PORTS[found.get("port", "qemu")]
    made = (frozen / "firmware" if frozen else BUILD / "firmware" / board).with_suffix(suffix)
    if frozen or not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        # One folder for all manifests: they differ in one file.
        folder, package = BUILD / "micropython" / board, frozen and frozen.resolve() / "package"
        make(found, tree, folder, made, made.with_suffix(".log"), package)
    return made


def main(arguments: list[str]) -> int:
    frozen = Path(arguments[1]) if arguments[:1] == ["--frozen"] else None
    names = arguments[2:] if frozen else arguments
    boards = names or sorted(path.stem for path in BOARDS.glob("*.toml") if settings(path.stem))
    try:
        tree = sources()
        for board in boards:
            print(f"firmware of {board}: {build(board, tree, frozen)}")
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
