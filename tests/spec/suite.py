"""The suite's scripts that the tests run: what tests.spec.fetch made, and a folder that --spec names."""

from __future__ import annotations

from pathlib import Path

from tests.spec.__main__ import scripts
from tests.spec.fetch import FETCHED

NOTHING = "the official suite is not in build/spec: python -m tests.spec.fetch gets it"


def found(given: str | None) -> list[Path]:
    """All scripts there are; given: the folder of --spec."""
    folders = [FETCHED, *([Path(given)] if given else [])]
    return scripts([folder for folder in folders if folder.is_dir()])
