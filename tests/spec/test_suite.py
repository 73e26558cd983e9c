"""A third of the official suite on each target in the simulator; which third changes with every commit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
SPEC = REPO.parent / "shared" / "spec"
SCRIPTS = sorted(SPEC.rglob("*.wast"))
TARGETS = ("cortex-m3", "cortex-m4f", "rv32imc")


def commit_count() -> int:
    """What chooses: the same for a commit wherever it is tested; 0 outside of git."""
    done = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=REPO, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


def third(target: str, count: int) -> list[Path]:
    """The scripts of a target: all targets together, and three commits of one, have them all."""
    return SCRIPTS[(TARGETS.index(target) + count) % 3 :: 3]


def run(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """The runner's exit status, and what it said with --json."""
    command = [sys.executable, "-m", "tests.spec", *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if not done.stdout:
        pytest.fail(done.stderr)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPTS, reason=f"the official suite is not at {SPEC}")
@pytest.mark.parametrize("target", TARGETS)
def test_third(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    count = commit_count()
    status, report = run(*third(target, count), "--target", target)
    failures = [f"{f['file']}:{x['line']}: {x['why']}" for f in report["files"] for x in f["failures"]]
    which = f"third {(TARGETS.index(target) + count) % 3 + 1} of the official suite"
    with capsys.disabled():  # stderr: what pytest-xdist's workers write to stdout is lost
        text = f"{target}: {which}: {report['passed']} passed, {report['failed']} failed, {report['skipped']} skipped"
        print(f"\n{text}", file=sys.stderr)
    assert not failures, "\n" + "\n".join(failures[:50])
    assert status == 0 and report["passed"]
