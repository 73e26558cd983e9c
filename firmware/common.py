"""What every file here needs: where things lie, what went wrong, a command with its log. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent  # of the repository; of the package where insitu is installed
BUILD = Path(os.environ.get("INSITU_BUILD") or ROOT / "build")
MANIFESTS = ROOT / "firmware"


# What the firmware calls itself: build/ lies in this repository, whose commits are not MicroPython's.
_VERSION = {} if os.environ.get("MICROPY_DIR") else {"MICROPY_GIT_TAG": "v1.25.0", "MICROPY_GIT_HASH": "Debian"}


class SetupError(Exception):
    """Something that the user can mend; one line."""


# Debian's packages that have a program.
_PACKAGES = {
    "make": "make",
    "gcc": "gcc",
    "cmake": "cmake",
    "ninja": "ninja-build",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
}


def need(*programs: str) -> None:
    """Raise SetupError unless all of these are installed; keys of _PACKAGES."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        packages = " ".join(_PACKAGES[program] for program in missing)
        raise SetupError(f"{', '.join(missing)} not found: on Debian, apt-get install {packages}")


def run(command: list[str], out: TextIO, log: Path, environment: dict[str, str]) -> None:
    """Run a command of a build, its words into the open log. Raises SetupError with the log's end."""
    environment = {**_VERSION, **os.environ, **environment}
    if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False).returncode:
        raise SetupError(
            f"the firmware did not build; the last lines of {log}:\n" + "".join(log.open().readlines()[-15:])
        )


def jobs() -> str:
    return f"-j{os.cpu_count() or 1}"


def empty_library() -> Path:
    """What stands for micropython-lib, which Debian's source package does not have."""
    library = BUILD / "empty-micropython-lib"
    library.mkdir(parents=True, exist_ok=True)
    (library / "README.md").write_text("Nothing of micropython-lib is used.\n")
    return library


def mpy_cross(tree: Path, out: TextIO, log: Path) -> None:
    """Build the tree's own mpy-cross, which freezes modules."""
    if not (tree / "mpy-cross" / "build" / "mpy-cross").exists():
        run(["make", "-C", str(tree / "mpy-cross"), jobs()], out, log, {})
