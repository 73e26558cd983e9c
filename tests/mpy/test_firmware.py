"""A firmware that is built another way than MicroPython's own: the probe tells, and modules work all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.places import CHECKOUT
from insitu.port.xip.inplace.blob import LOADER

from tests.mpy import modules

pytestmark = [pytest.mark.slow, pytest.mark.qemu]
_SETTRACE = "CFLAGS_EXTRA=-DMICROPY_PY_SYS_SETTRACE=1"  # raw codes and functions with further fields
_BUILD = """
import json, sys
from pathlib import Path
import micropython, qemu
settings, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
qemu.build(settings, micropython.sources(), folder, folder / "made.elf", folder.with_suffix(".log"), None)
"""


@pytest.fixture(scope="module")
def settrace() -> Path:
    """Built once a checkout, in half a minute."""
    board = load_board("qemu_mps2_an385")
    folder = CHECKOUT / "build" / "micropython" / "settrace"
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.dumps({"board": board.firmware.board, "make": [_SETTRACE]})
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "firmware")}
    subprocess.run([sys.executable, "-c", _BUILD, settings, str(folder)], env=environment, check=True)
    return folder / "made.elf"


def test_settrace(settrace: Path) -> None:
    board = load_board("qemu_mps2_an385")
    with modules.mounted(board, modules.all_files(board), firmware=settrace) as link:
        said = link.run("import checks, functions, assembler, emitted").decode()
        assert said == "insitu: machine code of modules is copied to RAM: this firmware has sys.settrace\r\n"
        found = link.run("print(checks.results(functions, assembler, emitted))")
        # without the name, by what is in memory alone
        link.run(f"import {LOADER} as l\np = l.part('probe')\n")
        link.run("class System:\n  platform = 'qemu'\n  maxsize = 1 << 30\np.sys = System\n")
        assert b"this firmware differs in mp_raw_code_t.asm_type_sig" in link.run("p.probe(l.word)")
    with modules.mounted(board, modules.all_files(board)) as link:
        link.run("import checks, functions, assembler, emitted")
        assert link.run("print(checks.results(functions, assembler, emitted))") == found
