"""An eighth of the official suite on each target in the simulator; which one changes with every commit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.spec.suite import NOTHING, found

REPO = Path(__file__).resolve().parents[2]
TARGETS = ("cortex-m3", "cortex-m4f", "rv32imc", "cortex-m0plus")
PARTS = 8


def commit_count() -> int:
    """What chooses: the same for a commit wherever it is tested; 0 outside of git."""
    done = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=REPO, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


def which(target: str) -> int:
    """Which part a target runs: eight commits have them all."""
    return (TARGETS.index(target) + commit_count()) % PARTS


def run(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """The runner's exit status, and what it said with --json."""
    command = [sys.executable, "-m", "tests.spec", *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if not done.stdout:
        pytest.fail(done.stderr)
    return done.returncode, json.loads(done.stdout)


def reasons(report: dict[str, Any]) -> str:
    """What was skipped, and why."""
    counts: Counter[str] = sum((Counter(file["skipped"]) for file in report["files"]), Counter())
    return "; ".join(f"{count} {reason}" for reason, count in counts.most_common())


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_part(target: str, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    scripts = found(request.config.getoption("--spec"))
    if not scripts:
        pytest.skip(NOTHING)
    part = which(target)
    status, report = run(*scripts[part::PARTS], "--target", target)
    failures = [f"{f['file']}:{x['line']}: {x['why']}" for f in report["files"] for x in f["failures"]]
    which_one = f"{target}, part {part + 1} of {PARTS} of {len(scripts)} scripts"
    text = f"{which_one}: {report['passed']} passed, {report['failed']} failed"
    record_property("official suite", f"{text}; NOT RUN: {reasons(report) or 'nothing'}")
    assert not failures, "\n" + "\n".join(failures[:50])
    assert status == 0 and report["passed"]
