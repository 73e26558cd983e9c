"""Files of the package in one: what a name means stays what it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from insitu.board import boards
from insitu.board.record import Board
from insitu.errors import InsituError
from insitu.package import compile as package
from insitu.package.join import join

_FILES = {
    "__init__.py": "",
    "low.py": "_KEY = 3\ndef get(a):\n    return a + _KEY\ndef twice(a):\n    return 2 * a\n",
    "high.py": """
from math import floor as down
from . import low
from .low import get as take
_KEY = 5
def twice(low_):
    return low.twice(low_) + _KEY
def shadow(get):
    take_ = take(get)
    return [take_ + n + down(0.5) for n in range(low.get(0))]
class Thing:
    twice = 7
    def __init__(self, value):
        self.value = value
    def get(self):
        return low.get(self.value) + twice(self.value) + self.twice
    def late(self):
        from . import low
        from .rare import rare
        return low.twice(self.value), rare(self.value)
""",
    "rare.py": "from .high import twice\nfrom . import low\ndef rare(a):\n    return twice(a) + low.get(a)\n",
}


def _imported(folder: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package insitu, of files in a folder, for a moment in the place of the host's."""
    here = folder / "insitu"
    here.mkdir(parents=True)
    for name, source in files.items():
        (here / name).write_text(source)
    for name in [name for name in sys.modules if name == "insitu" or name.startswith("insitu.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(folder))
    return __import__("insitu")


def _answers(high: ModuleType) -> list[object]:
    thing = high.Thing(4)
    return [high.twice(1), high.shadow(10), thing.get(), thing.late(), type(thing).__name__.lstrip("_")]


def test_means_the_same_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = join(_FILES, ["low.py", "high.py"], ["Thing"])
    assert set(made) == set(_FILES)
    with monkeypatch.context() as patch:
        _imported(tmp_path / "apart", _FILES, patch)
        expected = _answers(__import__("insitu.high", fromlist=["high"]))
        for name in ("insitu.low", "insitu.high", "insitu.rare", "insitu"):
            sys.modules.pop(name)
    assert expected == [7, [13, 14, 15], 27, (8, 20), "Thing"]
    with monkeypatch.context() as patch:
        whole = _imported(tmp_path / "joined", made, patch)
        assert _answers(__import__("insitu.high", fromlist=["high"])) == expected
        assert whole.Thing(4).late() == (8, 20)
        assert [name for name in vars(whole) if name[0] != "_"] == [
            "Thing",
            "high",
            "rare",
        ]  # files that were asked for
        for name in ("insitu.high", "insitu.rare", "insitu"):
            sys.modules.pop(name)


def test_a_local_does_not_hide_what_a_name_became() -> None:
    files = {"__init__.py": "", "low.py": "def get(a):\n    return a\n"}
    files["high.py"] = "from . import low\ndef f(_get):\n    return low.get(_get)\n"
    with pytest.raises(InsituError, match="port/high.py has a local _get, which hides a global"):
        join(files, ["low.py", "high.py"], [])


@pytest.mark.parametrize("board", {board.target: board for board in map(boards.load_board, boards.names())}.values())
def test_the_package_has_its_public_names_at_once(board: Board) -> None:
    """Nothing of insitu itself is loaded by looking for names in it: there is no module __getattr__ in a joined one."""
    sources = package.device_sources(board)
    assert "def __getattr__(name)" not in sources["__init__.py"]
    for name in ("class Runtime(", "class Trap(", "ALLOC_WITH_POOL = ", "__version__ = "):
        assert f"\n{name}" in sources["__init__.py"]
    assert {"heap.py", "platform.py", "enter.py", "wasi.py", "telemetry.py"} <= sources.keys()


_COMPILED = """
from insitu.board.boards import load_board
from insitu.package.compile import compiled
print(compiled(load_board("qemu_rv32")))
"""


def test_each_process_makes_the_same_files() -> None:
    """One that mounts what another has written relies on it, in this order, whatever that of Python's sets."""
    made = {
        subprocess.run(
            [sys.executable, "-c", _COMPILED], env={**os.environ, "PYTHONHASHSEED": seed}, stdout=-1, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1
