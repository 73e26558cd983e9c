"""A process that dies or hangs is told of and replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.line_worker import LineWorker

ECHO = """
import sys, time
for line in sys.stdin:
    if line == "die\\n":
        raise ValueError("as asked")
    if line == "hang\\n":
        time.sleep(60)
    print("echo " + line, end="", flush=True)
"""


def test_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "echoing.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with LineWorker("echoing", 2.0) as worker:
        assert worker.ask("one") == ("echo one", "")
        assert worker.ask("die") == ("", "the process died: ValueError: as asked")
        assert worker.ask("two") == ("echo two", "")
        assert worker.ask("hang") == ("", "no answer in 2.0 s")
        assert worker.ask("three") == ("echo three", "")
