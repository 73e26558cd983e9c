"""The official test suite's binary side: what must decode and validate, what must be refused, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest
from insitu.wasm.decode import decode
from insitu.wasm.errors import WasmError
from insitu.wasm.validate import validate

from tests.spec import wabt
from tests.spec.departures import DEPARTURES
from tests.spec.suite import NOTHING, found

ACCEPTED = ("module", "assert_uninstantiable", "assert_unlinkable")
REFUSED = ("assert_malformed", "assert_invalid")


def refusal(data: bytes) -> WasmError | None:
    try:
        validate(decode(data))
    except WasmError as error:
        return error
    return None


def agrees(reason: str, text: str) -> bool:
    return reason.startswith(text) or text.startswith(reason)


def verdict(command: dict[str, Any], folder: Path, departures: Container[int]) -> str | None:
    """What is wrong with insitu's answer to one command, or None. The lines that depart are refused as well, for a
    reason of their own."""
    kind, line = command["type"], command["line"]
    error = refusal((folder / command["filename"]).read_bytes())
    if kind in ACCEPTED:
        return f"line {line}: refused: {error}" if error else None
    if error is None:
        return f"line {line}: accepted; expected {command['text']!r}"
    if line not in departures and not agrees(error.reason, command["text"]):
        return f"line {line}: expected {command['text']!r}, got {error.reason!r}"
    return None


def is_asked(command: dict[str, Any]) -> bool:
    """Whether a command is about a binary that is there."""
    binary = command.get("module_type", "binary") == "binary"
    return command["type"] in (*ACCEPTED, *REFUSED) and binary and "absent" not in command


def test_modules(
    request: pytest.FixtureRequest, tmp_path: Path, record_property: Any, subtests: pytest.Subtests
) -> None:
    scripts = found(request.config.getoption("--spec"))
    if not scripts:
        pytest.skip(NOTHING)
    counts: Counter[str] = Counter()
    for script in scripts:
        folder, commands = wabt.commands(script, tmp_path)
        asked = [command for command in commands if is_asked(command)]
        counts.update(command["type"] for command in asked)
        departures = DEPARTURES.get(script.name, {})
        with subtests.test(script.name):
            wrong = [v for command in asked if (v := verdict(command, folder, departures))]
            assert not wrong, "\n" + "\n".join(wrong)
    assert all(counts[kind] for kind in ("module", *REFUSED))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    record_property("official suite", f"decoded and validated: {kinds}")
