"""Modules in C that nobody here wrote: examples/natmod of MicroPython's tree, built by its own Makefiles."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from insitu.places import CHECKOUT

from tests.mpy.modules import SAMPLES

TREE = CHECKOUT / "build" / "micropython-1.25.0"
needed = pytest.mark.skipif(not TREE.is_dir(), reason="MicroPython's sources are another checkout")
# btree needs Berkeley DB, which Debian leaves out.
NAMES = (
    "features0",
    "features1",
    "features3",
    "features4",
    "heapq",
    "re",
    "framebuf",
    "deflate",
    "random",
    "features2",
)
# Those that need nothing of libgcc on a Cortex-M0+; reading that takes mpy_ld.py 14 s a module.
SMALL = NAMES[:5]


@functools.cache
def built(arch: str, names: tuple[str, ...] = NAMES) -> dict[str, bytes]:
    """NAME_c.mpy of each, and where_c.mpy of samples/, for what mpy_ld.py calls arch; made once a checkout."""
    return {f"{name}_c.mpy": _built(arch, name).read_bytes() for name in ("where", *names)}


def _built(arch: str, name: str) -> Path:
    folder = CHECKOUT / "build" / "natmod" / arch / name
    made = folder / f"{name}_c.mpy"
    if not made.exists():
        example = TREE / "examples" / "natmod" / name
        if example.is_dir():
            shutil.copytree(example, folder, dirs_exist_ok=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(SAMPLES / f"{name}.c", folder)
            (folder / "Makefile").write_text(f"SRC = {name}.c\ninclude $(MPY_DIR)/py/dynruntime.mk\n")
        settings = [f"ARCH={arch}", f"MPY_DIR={TREE}", f"MOD={name}_c", f"PYTHON={sys.executable}"]
        if name == "features2":  # as the firmware has them; a CPU without an FPU is built for without
            settings.append("MICROPY_FLOAT_IMPL=float")
        subprocess.run(["make", "-s", "-C", str(folder), *settings], check=True)
    return made
