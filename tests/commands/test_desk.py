"""Many boards at once: each is known by itself, and one that is lost or not there does not end the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from insitu.board.boards import load_board
from insitu.cli import desk as shown
from insitu.cli.desk import selftest_command
from insitu.commands import desk, selftest
from insitu.commands.desk import LABGRID, PORT, Result
from insitu.machine import emulated
from insitu.package.deploy import METHODS
from insitu.selftest import CHECKS


@pytest.mark.slow
@pytest.mark.qemu
def test_one_passes_one_is_unplugged_one_is_not_there() -> None:
    board = load_board("qemu_rv32")
    image = (board.image.address, selftest.build(board.target, selftest.source()))
    contents = [*METHODS["romfs"].contents(board), image]
    with emulated(board, contents) as whole, emulated(board, contents) as lost:

        def say(where: str, line: str) -> None:
            if where == lost.port and line.startswith("  passed  arithmetic"):
                lost.__exit__(None, None, None)

        tested = desk.run_all([(PORT, whole.port), (PORT, lost.port), (PORT, "/dev/nothing")], say)
    first, second, third = tested
    assert [one.where for one in tested] == [whole.port, lost.port, "/dev/nothing"]
    assert (first.passed, first.problem(), first.about("board", "name")) == (True, "", "qemu_rv32")
    assert not second.passed
    assert second.count("passed") == 2  # image, arithmetic
    assert second.count("failed") == len(CHECKS) - 2
    assert second.problem().startswith(f"floats: {lost.port} is gone")
    assert (third.passed, third.report) == (False, None)
    assert third.why.startswith("cannot open /dev/nothing: ")


_REPORT = {
    "passed": True,
    "seconds": 12.3,
    "board": {"name": "rpi_pico"},
    "firmware": {"version": "1.25.0"},
    "checks": [{"name": "image", "state": "passed"}, {"name": "flash", "state": "skipped", "why": "none"}],
}
_FAILED = {
    **_REPORT,
    "passed": False,
    "checks": [{"name": "traps", "state": "failed", "why": "no trap"}, {"name": "flash", "state": "failed", "why": ""}],
}
_TESTED = [Result("/dev/a", _REPORT, ""), Result("/dev/b", _FAILED, ""), Result("place", None, "locked by somebody")]


def test_table_and_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def run_all(boards: list[tuple[str, str]], say: desk.Say) -> list[Result]:
        asked.extend(boards)
        for _, where in boards:
            say(where, "  passed  image: bytes 5 (0.1 s)")
        return _TESTED[: len(boards)]

    monkeypatch.setattr(shown, "run_all", run_all)
    made = tmp_path / "report.json"
    ports = ["--port", "/dev/a", "--port", "/dev/b", "--labgrid", "place", "--to", str(made)]
    done = CliRunner().invoke(selftest_command, ports)
    assert done.exit_code == 1
    assert asked == [(PORT, "/dev/a"), (PORT, "/dev/b"), (LABGRID, "place")]
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert rows == [
        ["/dev/a", "rpi_pico", "1.25.0", "1", "0", "1", "12"],
        ["/dev/b", "rpi_pico", "1.25.0", "0", "2", "0", "12", "traps:", "no", "trap"],
        ["place", "-", "-", "-", "-", "locked", "by", "somebody"],
    ]
    assert [one["report"] for one in json.loads(made.read_text())["boards"]] == [_REPORT, _FAILED, None]
    monkeypatch.setattr(shown, "run_all", lambda boards, say: [_TESTED[0]] * 2)
    done = CliRunner().invoke(selftest_command, [*ports[:4], "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["boards"][1] == {"where": "/dev/a", "report": _REPORT, "why": ""}


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "/dev/a", "--port", "/dev/a"),
        ("--port", "/dev/a", "--labgrid", "b", "-b", "rpi_pico"),
        ("--labgrid", "a", "--sim"),
    ],
)
def test_usage(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(selftest_command, words).exit_code == 2
