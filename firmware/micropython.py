"""MicroPython's sources and the firmwares built from them. Standard library only: runs before .venv is.

    python3 firmware/micropython.py            fetch what is missing, build the firmware of every emulated board
    python3 firmware/micropython.py BOARD...   only these; the path of a board's file, too
    python3 firmware/micropython.py --frozen FOLDER BOARD
                                               FOLDER/firmware.elf with the .mpy files in FOLDER/package frozen in
    python3 firmware/micropython.py --newest BOARD...
                                               of the newest MicroPython that Debian has, for the tests

The sources are MICROPY_DIR where that is set (a MicroPython checkout of the user's), otherwise Debian's source
package of the pinned version, taken from the mirror that this machine's own apt uses.
"""

from __future__ import annotations

import os
import shutil
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
NEWEST = debian.Source(
    "micropython",
    "1.26.1",
    "micropython_*.orig.tar.*",
    "f5ad2ec89d3e921f753d448955af98b6005655f84ba26087dde6ba0e8d062f34",
    suite="sid",
    updated=True,
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


def read(board: str) -> dict:
    """The board's file; board: a name, or the file's path."""
    path = Path(board) if board.endswith(".toml") else BOARDS / f"{board}.toml"
    with path.open("rb") as file:
        return tomllib.load(file)


def emulated() -> list[str]:
    """The boards that an emulator runs: others need no firmware here."""
    return sorted(path.stem for path in BOARDS.glob("*.toml") if "machine" in read(path.stem))


def build(board: str, tree: Path, frozen: Path | None, release: str = "") -> Path:
    """The board's firmware, built only if it is not there yet; with frozen/package in it, as frozen/firmware.*.

    release: a folder for what is not of the pinned sources.
    """
    found, name = read(board).get("firmware", {}), Path(board).stem
    if found.get("port", "qemu") not in PORTS:
        raise SetupError(f"no firmware is built for {board}")
    suffix, make = PORTS[found.get("port", "qemu")]
    made = (frozen / "firmware" if frozen else BUILD / "firmware" / release / name).with_suffix(suffix)
    if not frozen and not release and not made.exists() and (twin := _twin(name, found, suffix)):
        shutil.copy(twin, made)
    if frozen or not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        # One folder for all manifests: they differ in one file.
        folder, package = BUILD / "micropython" / release / name, frozen and frozen.resolve() / "package"
        make(found, tree, folder, made, made.with_suffix(".log"), package)
    return made


def _twin(name: str, found: dict, suffix: str) -> Path | None:
    """The same firmware, built for another board."""
    others = [other for other in emulated() if other != name and read(other)["firmware"] == found]
    paths = [(BUILD / "firmware" / other).with_suffix(suffix) for other in others]
    return next((path for path in paths if path.exists()), None)


def newest() -> tuple[Path, str]:
    """The tree, and its release: a name for folders and for what the firmware calls itself."""
    os.environ["MICROPY_GIT_TAG"] = "newest"
    return debian.fetch([NEWEST], BUILD)[0], "newest"


def main(arguments: list[str]) -> int:
    frozen = Path(arguments[1]) if arguments[:1] == ["--frozen"] else None
    names = arguments[2:] if frozen else [name for name in arguments if name != "--newest"]
    try:
        tree, release = newest() if "--newest" in arguments else (sources(), "")
        for board in names or emulated():
            print(f"firmware of {board}: {build(board, tree, frozen, release)}")
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
