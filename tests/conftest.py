"""The same commit gives the same result: hypothesis chooses its examples by the test's own text.

What the official suite did not run is said at the end of every run of the tests.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.spec.suite import FETCHED, NOTHING

# What tests build goes into a cache of their own, which the processes of one run share; ziglang's stays where it is.
if "INSITU_TESTS_CACHE" not in os.environ:
    _USERS = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(Path(_USERS, "zig")))
    os.environ["INSITU_TESTS_CACHE"] = os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="insitu-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--spec", metavar="FOLDER", help="further scripts of the official suite, a WebAssembly 2.0 checkout's"
    )


def pytest_collection_finish() -> None:
    """Tests and modules stay to the end: gc.collect(), which device code asks for often, need not look at them."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    said = [text for report in reports for name, text in report.user_properties if name == "official suite"]
    if not FETCHED.is_dir():
        said.append(f"NOT RUN: {NOTHING}")
    if not said:
        return  # its tests were not asked for
    if not config.getoption("--spec"):
        said.append("NOT RUN: scripts of a checkout of your own, none was given (make test SPEC=FOLDER)")
    terminalreporter.section("official suite")
    for text in said:
        terminalreporter.line(text)
