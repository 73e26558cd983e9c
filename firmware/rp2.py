"""MicroPython's ports/rp2, with the Pico SDK and TinyUSB that Debian packs.

What differs from the firmware that MicroPython publishes: the frozen drivers of micropython-lib (onewire, ds18x20,
dht, neopixel) are missing, because Debian's source package has no micropython-lib.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import debian
from common import BUILD, MANIFESTS, SetupError, empty_library, jobs, mpy_cross, need, run

PICO_SDK = debian.Source(
    "pico-sdk-source",
    "2.1.1",
    "pico-sdk-source_*.deb",
    "507a3ca37636641bc90239d7c04dc9dc28c5008087a8162102ea94d2273153d3",
    folder="usr/src/pico-sdk",
)
TINYUSB = debian.Source(
    "tinyusb-source",
    "0.18.0",
    "tinyusb-source_*.deb",
    "01ce2c645df68f14a8a7dcfc8fb355713152543757955820479a87949a61154e",
    folder="usr/src/tinyusb",
)
MBEDTLS = debian.Source(
    "mbedtls",
    "3.6",
    "mbedtls_*.orig.tar.*",
    "8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a",  # 3.6.6
    updated=True,
)


def build(settings: dict, tree: Path, folder: Path, made: Path, log: Path, package: Path | None) -> None:
    """What flash holds from its start; see Build in micropython.py."""
    need("make", "gcc", "cmake", "ninja", "arm-none-eabi-gcc")
    sdk = _sdk(tree)
    options = {
        "MICROPY_BOARD": settings["board"],
        "PICO_SDK_PATH_OVERRIDE": str(sdk),
        "PICO_NO_PICOTOOL": "1",
        "MICROPY_FROZEN_MANIFEST": str(MANIFESTS / f"manifest_rp2{'_frozen' if package else ''}.py"),
        "MICROPY_LIB_DIR": str(empty_library()),
    }
    environment = {"INSITU_PACKAGE": str(package)} if package else {}
    with log.open("w") as out:
        mpy_cross(tree, out, log)
        command = ["cmake", "-S", str(tree / "ports" / "rp2"), "-B", str(folder), "-G", "Ninja"]
        run([*command, *(f"-D{name}={value}" for name, value in options.items())], out, log, environment)
        run(["ninja", "-C", str(folder), jobs()], out, log, environment)
    shutil.copy(folder / "firmware.bin", made)


def _sdk(tree: Path) -> Path:
    """The Pico SDK; TinyUSB and mbedTLS put into the tree's lib/, where its build looks for them."""
    if os.environ.get("MICROPY_DIR"):
        return _submodules(tree)
    sdk, tinyusb, mbedtls = debian.fetch([PICO_SDK, TINYUSB, MBEDTLS], BUILD)
    for name, source in (("tinyusb", tinyusb), ("mbedtls", mbedtls)):
        link = tree / "lib" / name
        if not link.is_symlink():
            link.rmdir()  # empty in Debian's package
            link.symlink_to(os.path.relpath(source, link.parent))
    return sdk


def _submodules(tree: Path) -> Path:
    for name in ("pico-sdk", "tinyusb", "mbedtls"):
        if not any((tree / "lib" / name).iterdir()):
            raise SetupError(f"{tree}/lib/{name} is empty: run `make -C {tree}/ports/rp2 submodules`")
    return tree / "lib" / "pico-sdk"
