"""What a verb imports: a person waits for it at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

_COMPILER = {"llvmlite", "capstone", "elftools", "insitu.aot.units"}
_CODE = """
import sys
from insitu.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "without"),
    [
        (["--help"], _COMPILER | {"rich", "serial", "unicorn", "insitu.board", "insitu.port"}),
        (["boards"], _COMPILER | {"asyncio", "insitu.session", "insitu.report"}),
        (["run", "--help"], _COMPILER | {"asyncio", "insitu.report", "insitu.bind"}),
    ],
    ids=["--help", "boards", "run"],
)
def test_a_verb_does_not_import(words: list[str], without: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", _CODE, *words], capture_output=True, text=True, check=True)
    assert without & {*done.stderr.split()} == set()
    assert "click" in done.stderr
