"""docs/boards/reports.md has the checks that there are, in its table and in its example of a report."""

from __future__ import annotations

import re
from pathlib import Path

from insitu.selftest import CHECKS

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "boards" / "reports.md"


def test_every_check_is_in_the_table_and_in_the_example() -> None:
    table, _, rest = _PAGE.read_text().partition("What it does not try")[0].partition("This is what `insitu selftest")
    assert re.findall(r"^\| ([a-z ]+) \|", table, re.MULTILINE)[1:] == [*CHECKS]  # behind the head's "check"
    assert re.findall(r"^ +passed +([a-z ]+): .* \([0-9.]+ s\)$", rest, re.MULTILINE) == [*CHECKS]
    assert f"    {len(CHECKS)} passed, 0 failed, 0 skipped in " in rest
