"""MicroPython's sources and the QEMU firmwares built from them. Standard library only: runs before .venv is.

    python3 firmware/micropython.py            fetch what is missing, build every QEMU board's firmware
    python3 firmware/micropython.py BOARD...   only these
    python3 firmware/micropython.py --frozen FOLDER BOARD
                                               FOLDER/firmware.elf with the sources in FOLDER/package frozen in

The sources are MICROPY_DIR where that is set (a MicroPython checkout of the user's), otherwise Debian's source
package of the pinned version, taken from the mirror that this machine's own apt uses.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
BOARDS = ROOT / "boards"
SUITE = "trixie"  # Debian's stable release that has this version
VERSION = "1.25.0"
ARCHIVE_SHA256 = "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea"


class SetupError(Exception):
    """Something that the user can mend; one line."""


def _mirror() -> str:
    """The main archive's URI in this machine's apt configuration."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    sites = [line for line in listing.stdout.split() if line.rstrip("/").endswith("/debian")]
    if not sites:
        raise SetupError("no Debian archive in apt's configuration; set MICROPY_DIR to a MicroPython checkout")
    return sites[0]


def _download(folder: Path) -> Path:
    """The original source archive, by apt, with a sources list of our own; its signature is checked by apt."""
    with tempfile.TemporaryDirectory(prefix="insitu-apt-") as name:
        private = Path(name)
        (private / "lists" / "partial").mkdir(parents=True)
        sources = private / "sources.list"
        keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
        signed = f"[signed-by={keyring}] " if keyring.exists() else ""
        sources.write_text(f"deb-src {signed}{_mirror()} {SUITE} main\n")
        options = [
            f"-oDir::Etc::SourceList={sources}",
            "-oDir::Etc::SourceParts=/dev/null",
            f"-oDir::State::Lists={private / 'lists'}",
            "-oAPT::Sandbox::User=root",
        ]
        subprocess.run(["apt-get", *options, "-qq", "update"], check=True)
        command = ["apt-get", *options, "-qq", "source", "--download-only", f"micropython/{SUITE}"]
        subprocess.run(command, cwd=folder, check=True)
    found = list(folder.glob("micropython_*.orig.tar.*"))
    archives = [path for path in found if not path.name.endswith(".asc")]
    if len(archives) != 1:
        raise SetupError(f"expected one source archive of MicroPython, found {[p.name for p in found]}")
    return archives[0]


def sources() -> Path:
    """MICROPY_DIR, or the pinned sources, fetched once into build/."""
    own = os.environ.get("MICROPY_DIR")
    if own:
        if not (Path(own) / "ports" / "qemu").is_dir():
            raise SetupError(f"MICROPY_DIR={own} has no ports/qemu: it is not a MicroPython checkout of 1.24 or later")
        return Path(own).resolve()
    tree = BUILD / f"micropython-{VERSION}"
    if tree.is_dir():
        return tree
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        archive = _download(Path(name))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != ARCHIVE_SHA256:
            raise SetupError(f"{archive.name} has SHA-256 {digest}, expected {ARCHIVE_SHA256}")
        unpacked = Path(name) / "tree"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        (inner,) = unpacked.iterdir()
        inner.rename(tree)
    return tree


def build(board: str, tree: Path) -> Path:
    """The firmware of the board of that name; built only if it is not there yet."""
    made = BUILD / "firmware" / f"{board}.elf"
    if not made.exists():
        _build(board, tree, made, made.with_suffix(".log"), "manifest_stock.py", {})
    return made


def build_frozen(board: str, tree: Path, folder: Path) -> Path:
    """The same with folder/package frozen in, as folder/firmware.elf."""
    made = folder / "firmware.elf"
    package = {"INSITU_PACKAGE": str(folder.resolve() / "package")}
    _build(board, tree, made, folder / "firmware.log", "manifest_frozen.py", package)
    return made


def _build(board: str, tree: Path, made: Path, log: Path, manifest: str, environment: dict[str, str]) -> None:
    with (BOARDS / f"{board}.toml").open("rb") as file:
        settings = tomllib.load(file)["firmware"]
    output = BUILD / "micropython" / board  # one for all manifests: they differ in one file
    library = BUILD / "empty-micropython-lib"
    library.mkdir(parents=True, exist_ok=True)
    (library / "README.md").write_text("Nothing of micropython-lib is used.\n")
    arguments = [
        f"BOARD={settings['board']}",
        f"BUILD={output}",
        f"MPY_LIB_DIR={library}",
        f"FROZEN_MANIFEST={ROOT / 'firmware' / manifest}",
        *settings.get("make", []),
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    cross = tree / "mpy-cross" / "build" / "mpy-cross"
    jobs = f"-j{os.cpu_count() or 1}"
    with log.open("w") as out:
        if not cross.exists():
            _make(["make", "-C", str(tree / "mpy-cross"), jobs], out, log, {})
        _make(["make", "-C", str(tree / "ports" / "qemu"), jobs, *arguments], out, log, environment)
    shutil.copy(output / "firmware.elf", made)


def _make(command: list[str], out: TextIO, log: Path, environment: dict[str, str]) -> None:
    environment = {**os.environ, **environment}
    if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False).returncode:
        raise SetupError(
            f"the firmware did not build; the last lines of {log}:\n" + "".join(log.open().readlines()[-15:])
        )


def main(arguments: list[str]) -> int:
    frozen = Path(arguments[1]) if arguments[:1] == ["--frozen"] else None
    names = arguments[2:] if frozen else arguments
    boards = names or sorted(path.stem for path in BOARDS.glob("qemu_*.toml"))
    try:
        tree = sources()
        for board in boards:
            made = build_frozen(board, tree, frozen) if frozen else build(board, tree)
            print(f"firmware of {board}: {made}")
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
