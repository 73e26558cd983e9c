"""MicroPython's ports/qemu, and machines that it does not have: a folder of firmware/boards/ each."""

from __future__ import annotations

import shutil
from pathlib import Path

from common import MANIFESTS, empty_library, jobs, mpy_cross, need, run


def build(settings: dict, tree: Path, folder: Path, made: Path, log: Path, package: Path | None) -> None:
    """An ELF file; see Build in micropython.py."""
    need("make", "gcc", "riscv64-unknown-elf-gcc" if "RV32" in settings["board"] else "arm-none-eabi-gcc")
    manifest = MANIFESTS / ("manifest_frozen.py" if package else "manifest_stock.py")
    arguments = [
        f"BOARD={settings['board']}",
        f"BUILD={folder}",
        f"MPY_LIB_DIR={empty_library()}",
        f"FROZEN_MANIFEST={manifest}",
        *settings.get("make", []),
    ]
    own = MANIFESTS / "boards" / settings["board"]
    if own.is_dir():
        arguments += [f"BOARD_DIR={own}", f"USER_C_MODULES={own.parent}"]
    with log.open("w") as out:
        mpy_cross(tree, out, log)
        command = ["make", "-C", str(tree / "ports" / "qemu"), jobs(), *arguments]
        # CPATH: where a board's MP_CONFIGFILE is found
        environment = {"CPATH": str(MANIFESTS), **({"INSITU_PACKAGE": str(package)} if package else {})}
        run(command, out, log, environment)
    shutil.copy(folder / "firmware.elf", made)
