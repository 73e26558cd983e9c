"""The command `insitu` as a user starts it, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from insitu import cli


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture
def insitu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """insitu("build", path, ...): the command line's status and output. An exception is a bug and comes through."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr("sys.argv", ["insitu", *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 1
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture
def wasm(tmp_path: Path) -> Callable[..., Path]:
    """wasm(text): a file with the binary of a module's text."""

    def write(text: str, name: str = "app.wasm") -> Path:
        path = tmp_path / name
        path.write_bytes(bytes(wasmtime.wat2wasm(text)))
        return path

    return write


def trapped(done: Done, text: str, function: str, instruction: str) -> None:
    """One call deep: the trap's line on stderr, and where in which function that was."""
    assert (done.status, done.err.count("\n")) == (1, 2), done
    trap, frame = done.err.splitlines()
    assert trap.startswith(f'insitu: trap: "{text}" in function "{function}" at code offset 0x'), trap
    assert frame.startswith(f"  0 {function} wasm 0x"), frame
    assert f": {instruction} (code 0x" in frame, frame


def refused(done: Done, *texts: str, status: int = 1) -> None:
    """The status, nothing on stdout, one line on stderr that has all texts."""
    assert done.status == status, done
    assert done.out == ""
    assert done.err.startswith("insitu: ")
    assert done.err.count("\n") == 1, done.err
    for text in texts:
        assert text in done.err
