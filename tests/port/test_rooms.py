"""Who imports whom in port/: nothing in circles, and rooms only downwards."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import insitu.port
import pytest

PORT = Path(str(insitu.port.__file__)).parent
# From the bottom up; a chip is known by the numbers of xip/layout.py, and an image is checked against the chip. A file
# at the top of port/ is in none: it is about the whole, or for everybody.
FLOORS = {"xip": 0, "platform": 0, "heap": 1, "store": 2, "run": 3, "host": 4, "update": 4}


def imports(root: Path) -> dict[str, set[str]]:
    """Each file of port/ to those that it imports, also inside of functions, as paths."""
    return {path.relative_to(root).as_posix(): set(_imported(path, root)) for path in sorted(root.rglob("*.py"))}


def _imported(path: Path, root: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            found = [file for alias in node.names for file in _files(place / alias.name)] or list(_files(place))
            assert found, f"{path}:{node.lineno} imports what is not there"
            yield from (file.relative_to(root).as_posix() for file in found)


def _files(module: Path) -> Iterator[Path]:
    yield from (path for path in (module.with_suffix(".py"), module / "__init__.py") if path.exists())


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The files of one circle, [] if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_nothing_is_imported_in_a_circle() -> None:
    assert circle(imports(PORT)) == []


def test_a_room_imports_from_none_above_it() -> None:
    upwards = [
        f"{path} imports {other}"
        for path, others in imports(PORT).items()
        for other in others
        if FLOORS.get(_room(path), len(FLOORS)) < FLOORS.get(_room(other), 0)
    ]
    assert upwards == []


def _room(path: str) -> str:
    return path.split("/")[0]


@pytest.mark.parametrize("late", ["", "def f():\n    "], ids=["at the top", "in a function"])
def test_a_circle_is_found(tmp_path: Path, late: str) -> None:
    for folder in ("store", "run"):
        (tmp_path / folder).mkdir()
    (tmp_path / "store" / "table.py").write_text(f"import sys\n{late}from ..run import values")
    (tmp_path / "run" / "values.py").write_text("from .references import words_of")
    (tmp_path / "run" / "references.py").write_text("from ..store.table import length")
    assert set(circle(imports(tmp_path))) == {"store/table.py", "run/values.py", "run/references.py"}
